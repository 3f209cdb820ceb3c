//! `logoutd check-config`: a summary of the configuration, or its problems, as text or JSON.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::terminal::{out_block, out_json};
use crate::ambient::Ambient;
use crate::app;
use crate::config::{Config, ConfigErrors, Place, Tls};
use crate::domain::access::Rate;
use crate::domain::client::document::Document as _;
use crate::domain::client::{Client, SubjectType};
use crate::domain::duration::Human;
use crate::domain::initiator::Initiators;
use crate::domain::metadata::MetadataChoice;
use crate::printable;
use crate::telemetry;

/// Runs the command: 0 with a summary, or 2 with every problem.
pub(super) fn run(path: &Path, json_wanted: bool) -> anyhow::Result<ExitCode> {
    let checked = super::load(path).map_err(anyhow::Error::new).and_then(|loaded| {
        telemetry::check(&loaded)?;
        app::check(&loaded, &Ambient::system())?;
        Ok(loaded.config)
    });
    match checked {
        Ok(config) if json_wanted => out_json(&json(&config).to_string()),
        Ok(config) => out_block(&render(&config)),
        Err(error) => match error.downcast_ref::<ConfigErrors>() {
            Some(problems) if json_wanted => {
                out_json(&problems_json(problems).to_string());
                return Ok(ExitCode::from(super::WRONG_USAGE));
            }
            _ => return Err(error),
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// The summary of a valid configuration as text. It ends with a newline.
pub fn render(config: &Config) -> String {
    let mut rows = vec![
        ("issuer", issuer(config)),
        (
            "server",
            listener(&config.server.listen, config.server.tls.as_ref(), config.server.max_connections),
        ),
        (
            "management",
            listener(
                &config.management.listen,
                config.management.tls.as_ref(),
                config.management.max_connections,
            ),
        ),
        ("access", access(config)),
        ("store", format!("{}, kept for {}", config.store.url, Human(config.store.retention))),
        ("keys", keys(config)),
        ("delivery", delivery(config)),
        ("egress", egress(config)),
        ("metadata", format!("sensitive values: {}", config.metadata.sensitive.as_str())),
        ("log", format!("{}, {}", config.log.level, config.log.format.as_str())),
        ("clients", config.clients.len().to_string()),
    ];
    rows.extend(config.clients.iter().map(|client| ("", describe(client))));
    let mut text = String::new();
    for (name, value) in rows {
        let line = format!("{name:<12}{value}");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", printable::text(line.trim_end()));
    }
    text
}

/// The summary as JSON: the whole configuration with its defaults, in the structure of the file.
pub fn json(config: &Config) -> Value {
    let keys = &config.keys;
    let delivery = &config.delivery;
    json!({
        "issuer": {
            "url": config.issuer.url.as_str(),
            "jwks_uri": config.issuer.jwks_uri,
            "pairwise": { "format": config.issuer.pairwise.format.as_str() },
        },
        "server": {
            "listen": config.server.listen,
            "max_connections": config.server.max_connections,
            "tls": config.server.tls.as_ref().map(tls_json),
        },
        "management": {
            "listen": config.management.listen,
            "max_connections": config.management.max_connections,
            "tls": config.management.tls.as_ref().map(tls_json),
        },
        "access": access_json(config),
        "store": {
            "url": config.store.url.to_string(),
            "retention": human(config.store.retention),
        },
        "keys": {
            "directory": keys.directory.display().to_string(),
            "algorithms": keys.algorithms,
            "rotate_every": keys.rotate_every.map_or_else(|| "0".to_owned(), human),
            "publish_before": human(keys.publish_before),
            "publish_after": human(keys.publish_after),
        },
        "delivery": {
            "timeout": human(delivery.timeout),
            "max_concurrency": delivery.max_concurrency,
            "max_concurrency_per_client": delivery.max_concurrency_per_client,
            "max_age": human(delivery.max_age),
            "schedule": delivery.schedule.iter().copied().map(human).collect::<Vec<_>>(),
            "breaker_failures": delivery.breaker.failures,
            "breaker_pause": human(delivery.breaker.pause),
            "breaker_max_pause": human(delivery.breaker.max_pause),
        },
        "egress": {
            "allow_http": config.egress.allow_http,
            "allow_networks": config.egress.allow_networks,
            "ca_file": config.egress.ca_file.as_ref().map(|path| path.display().to_string()),
        },
        "metadata": { "sensitive": config.metadata.sensitive.as_str() },
        "log": { "format": config.log.format.as_str(), "level": config.log.level },
        "clients": config.clients.iter().map(client_json).collect::<Vec<_>>(),
    })
}

fn access_json(config: &Config) -> Value {
    let access = &config.access;
    let mut json = json!({
        "rate_limit": rate(access.rate_limit),
        "failed_attempts": rate(access.failed_attempts),
        "trusted_proxies": access.trusted_proxies,
    });
    if let Some(jwt) = &access.jwt {
        json["jwt"] = json!({
            "issuer": jwt.issuer,
            "audience": jwt.audience,
            "jwks_uri": jwt.jwks_uri.as_ref().map(url::Url::as_str),
            "allow_http": jwt.allow_http,
            "scope_claims": jwt.scope_claims,
            "ca_file": jwt.ca_file.as_ref().map(|path| path.display().to_string()),
        });
    }
    json
}

/// The problems as JSON: `{"problems": [{"file", "line", "column", "variable", "key", "message"}]}`, `null`
/// for what does not apply.
pub fn problems_json(errors: &ConfigErrors) -> Value {
    let problems = errors.problems().iter().map(|problem| {
        let (line, column, variable) = match &problem.place {
            Place::File => (None, None, None),
            Place::At { line, column } => (Some(line), Some(column), None),
            Place::Variable(name) => (None, None, Some(name)),
        };
        json!({
            "file": variable.is_none().then(|| problem.file.display().to_string()),
            "line": line,
            "column": column,
            "variable": variable,
            "key": (!problem.key.is_empty()).then_some(&problem.key),
            "message": problem.message,
        })
    });
    json!({ "problems": problems.collect::<Vec<_>>() })
}

fn human(duration: std::time::Duration) -> String {
    Human(duration).to_string()
}

fn listener(address: &SocketAddr, tls: Option<&Tls>, max_connections: Option<u32>) -> String {
    let most = max_connections.map_or_else(String::new, |most| format!(", {most} connections at the most"));
    let Some(tls) = tls else { return format!("{address}{most}") };
    let callers = tls.client_auth.as_ref().map_or_else(String::new, |auth| {
        format!(", client certificates {} ({})", auth.certificate.as_str(), auth.ca.display())
    });
    format!("{address}, TLS with {}{callers}{most}", tls.certificate.display())
}

fn tls_json(tls: &Tls) -> Value {
    let auth = tls.client_auth.as_ref();
    json!({
        "certificate": tls.certificate.display().to_string(),
        "key": tls.key.display().to_string(),
        "client_ca": auth.map(|auth| auth.ca.display().to_string()),
        "client_certificate": auth.map(|auth| auth.certificate.as_str()),
    })
}

fn rate(rate: Option<Rate>) -> String {
    rate.map_or_else(|| "off".to_owned(), |rate| rate.to_string())
}

fn access(config: &Config) -> String {
    let access = &config.access;
    let tokens = match &access.jwt {
        Some(jwt) => format!("API tokens, and access tokens of {}", jwt.issuer),
        None => "API tokens".to_owned(),
    };
    let limit =
        |limit: Option<Rate>| limit.map_or_else(|| "any number of".to_owned(), |rate| rate.to_string());
    let proxies: Vec<_> = access.trusted_proxies.iter().map(ToString::to_string).collect();
    let behind = if proxies.is_empty() {
        String::new()
    } else {
        format!("; behind proxies in {}", proxies.join(", "))
    };
    format!(
        "{tokens}; {} requests per caller, {} failed attempts per address{behind}",
        limit(access.rate_limit),
        limit(access.failed_attempts),
    )
}

fn issuer(config: &Config) -> String {
    let issuer = &config.issuer;
    let pairwise = config.clients.iter().any(|client| client.subject_type == SubjectType::Pairwise);
    let subjects = if pairwise {
        format!(", pairwise subjects: {}", issuer.pairwise.format.as_str())
    } else {
        String::new()
    };
    format!("{}{subjects}", issuer.url)
}

fn keys(config: &Config) -> String {
    let keys = &config.keys;
    let algorithms = keys.algorithms.iter().map(|alg| alg.as_str()).collect::<Vec<_>>().join(", ");
    let rotation = keys
        .rotate_every
        .map_or_else(|| "rotated by hand".to_owned(), |every| format!("rotated every {}", Human(every)));
    format!("{}: {algorithms}, {rotation}", keys.directory.display())
}

fn delivery(config: &Config) -> String {
    let delivery = &config.delivery;
    let waits = delivery.schedule.iter().copied().map(human).collect::<Vec<_>>().join(", ");
    format!(
        "{} at a time, {} per client, {} each; again after {waits}; for {}",
        delivery.max_concurrency,
        delivery.max_concurrency_per_client,
        Human(delivery.timeout),
        Human(delivery.max_age),
    )
}

fn egress(config: &Config) -> String {
    let egress = &config.egress;
    let mut words = vec![if egress.allow_http { "https and http" } else { "https only" }.to_owned()];
    words.push(if egress.allow_networks.is_empty() {
        "public addresses only".to_owned()
    } else {
        let networks: Vec<_> = egress.allow_networks.iter().map(ToString::to_string).collect();
        format!("public addresses and {}", networks.join(", "))
    });
    if let Some(path) = &egress.ca_file {
        words.push(format!("also trusting {}", path.display()));
    }
    words.join("; ")
}

/// One line about a client. It shows only the origin of the URI; the JSON has the whole URI.
fn describe(client: &Client) -> String {
    let target = client
        .backchannel_logout_uri
        .as_ref()
        .map_or_else(|| "not subscribed".to_owned(), |uri| uri.url().origin().ascii_serialization());
    let initiators = match &client.initiators {
        Initiators::All => "all initiators".to_owned(),
        Initiators::Selected(selected) => {
            selected.iter().map(|initiator| initiator.as_str()).collect::<Vec<_>>().join("+")
        }
    };
    let metadata = match &client.session_metadata {
        MetadataChoice::None => "no metadata".to_owned(),
        MetadataChoice::All => "all metadata".to_owned(),
        MetadataChoice::Keys(keys) => {
            format!("metadata {}", keys.iter().map(String::as_str).collect::<Vec<_>>().join("+"))
        }
    };
    let subjects = if client.subject_type == SubjectType::Pairwise { ", pairwise" } else { "" };
    let disabled = if client.enabled { "" } else { ", disabled" };
    format!(
        "{}: {target}, {}, {initiators}, {metadata}{subjects}{disabled}",
        client.client_id, client.id_token_signed_response_alg
    )
}

fn client_json(client: &Client) -> Value {
    let mut document = client.document();
    document.insert("client_id".to_owned(), client.client_id.as_str().into());
    document.into()
}
