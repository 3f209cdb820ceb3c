//! The shipped sample, the contract's, and what they accept.

use std::path::Path;
use std::time::Duration;

use logoutd::config::{ClientCertificate, Config, LogFormat, StoreUrl};
use logoutd::domain::algorithm::SigningAlg;
use logoutd::domain::client::{SubjectType, TokenOptions, TokenSubject, TokenTyp};
use logoutd::domain::initiator::{Initiator, Initiators};
use logoutd::domain::metadata::MetadataChoice;
use logoutd::domain::metadata::sensitive::SensitivePolicy;
use logoutd::domain::pairwise::PairwiseFormat;

use super::{MINIMAL, accepted, in_repository, uncommented};

#[test]
fn the_shipped_sample_runs_the_quick_start() {
    let config =
        Config::load(&in_repository("config.toml"), []).unwrap_or_else(|errors| panic!("{errors}")).config;
    assert_eq!(config.issuer.url.as_str(), "http://localhost:8080");
    assert!(config.egress.allow_http);
    let [shop] = config.clients.as_slice() else { panic!("{:?}", config.clients) };
    let uri = shop.backchannel_logout_uri.as_ref().unwrap();
    assert_eq!(uri.as_str(), "http://127.0.0.1:9001/backchannel-logout");
    let address: std::net::IpAddr = uri.url().host_str().unwrap().parse().unwrap();
    assert!(config.egress.allow_networks.iter().any(|network| network.contains(&address)));
}

#[test]
fn the_defaults_the_sample_shows_are_the_defaults() {
    let sample = std::fs::read_to_string(in_repository("config.toml")).unwrap();
    let mut shown = accepted(&uncommented(&sample), &[]);
    assert!(shown.egress.ca_file.take().is_some(), "its example is uncommented, and it has no default");
    let connections = (shown.server.max_connections.take(), shown.management.max_connections.take());
    assert_eq!(
        connections,
        (Some(8192), Some(1024)),
        "the defaults may be lower, by the limit of open files"
    );
    let jwt = shown.access.jwt.take().expect("its example is uncommented, and it has no default");
    assert_eq!(
        (jwt.allow_http, jwt.scope_claims),
        (false, vec!["scope".to_owned(), "permissions".to_owned()])
    );
    for tls in [shown.server.tls.take(), shown.management.tls.take()] {
        let auth = tls.expect("its example is uncommented, and it has no default").client_auth.unwrap();
        assert_eq!(auth.certificate, ClientCertificate::default());
    }
    assert_eq!(shown, accepted(&sample, &[]));
    for key in ["retention", "publish_after", "max_concurrency_per_client", "schedule", "format", "token"] {
        assert!(uncommented(&sample).contains(&format!("\n{key} = ")), "{key} was not uncommented");
    }
}

#[test]
fn the_contracts_sample_is_accepted() {
    let config = Config::load(&in_repository("fixtures/config/contract.toml"), [])
        .unwrap_or_else(|errors| panic!("{errors}"))
        .config;
    let defaults = accepted(MINIMAL, &[]);
    assert_eq!(Config { clients: Vec::new(), ..config.clone() }, defaults);
    let [shop] = config.clients.as_slice() else { panic!("{:?}", config.clients) };
    assert_eq!(shop.client_id.as_str(), "shop");
    assert_eq!(shop.client_name.as_deref(), Some("Shop"));
    assert!(shop.backchannel_logout_session_required);
    assert_eq!(shop.initiators, Initiators::All);
    assert_eq!(shop.session_metadata, MetadataChoice::All);
    assert_eq!(shop.token, TokenOptions::default());
}

#[test]
fn the_defaults_are_the_contracts() {
    let config = accepted(&format!("{MINIMAL}[[clients]]\nclient_id = \"a\"\n"), &[]);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.management.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.store.url, StoreUrl::Sqlite("logoutd.db".into()));
    assert_eq!(config.access.rate_limit, Some("500/s".parse().unwrap()));
    assert_eq!(config.access.failed_attempts, Some("100/m".parse().unwrap()));
    assert!(config.access.trusted_proxies.is_empty());
    assert_eq!((config.server.max_connections, config.management.max_connections), (None, None));
    assert_eq!(config.access.jwt, None);
    assert_eq!(config.store.retention, Duration::from_hours(30 * 24));
    assert_eq!(config.keys.directory, Path::new("keys"));
    assert_eq!(config.keys.algorithms, [SigningAlg::Rs256, SigningAlg::Es256]);
    assert_eq!(config.keys.rotate_every, Some(Duration::from_hours(90 * 24)));
    assert_eq!(config.keys.publish_before, Duration::from_hours(24));
    assert_eq!(config.keys.publish_after, Duration::from_hours(24));
    assert_eq!(config.delivery.timeout, Duration::from_secs(5));
    assert_eq!(config.delivery.max_concurrency, 512);
    assert_eq!(config.delivery.max_concurrency_per_client, 16);
    assert_eq!(config.delivery.max_age, Duration::from_hours(24));
    assert_eq!(config.delivery.schedule.len(), 9);
    assert_eq!(config.delivery.schedule[8], Duration::from_hours(4));
    assert!(!config.egress.allow_http);
    assert!(config.egress.allow_networks.is_empty());
    assert_eq!(config.egress.ca_file, None);
    assert_eq!(config.issuer.pairwise.format, PairwiseFormat::Hex);
    assert_eq!(config.metadata.sensitive, SensitivePolicy::Warn);
    assert!(!config.audit.subjects);
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Auto, "info"));
    let client = &config.clients[0];
    assert!(client.client_name.is_none() && client.backchannel_logout_uri.is_none());
    assert!(!client.backchannel_logout_session_required);
    assert_eq!(client.id_token_signed_response_alg, SigningAlg::Rs256);
    assert_eq!(client.initiators, Initiators::default());
    assert_eq!(client.session_metadata, MetadataChoice::None);
    assert_eq!(client.token, TokenOptions::default());
    assert_eq!((client.subject_type, &client.sector_identifier_uri), (SubjectType::Public, &None));
}

#[test]
fn what_a_client_can_choose() {
    let config = accepted(
        "issuer.url = \"https://op.example.com\"
        [[clients]]
        client_id = \"a\"
        id_token_signed_response_alg = \"EdDSA\"
        initiators = [\"session-expired\"]
        session_metadata = [\"org_id\", \"device_name\"]
        [clients.token]
        ttl = \"90s\"
        typ = \"none\"
        subject = \"sub\"",
        &[],
    );
    let client = &config.clients[0];
    assert_eq!(client.id_token_signed_response_alg, SigningAlg::EdDsa);
    assert_eq!(client.initiators, Initiators::Selected([Initiator::SessionExpired].into()));
    assert_eq!(
        client.session_metadata,
        MetadataChoice::Keys(["device_name".to_owned(), "org_id".to_owned()].into())
    );
    let expected =
        TokenOptions { ttl: Duration::from_secs(90), typ: TokenTyp::None, subject: TokenSubject::Sub };
    assert_eq!(client.token, expected);
}

#[test]
fn access_tokens_are_taken_of_one_issuer() {
    let jwt =
        |text: &str, env: &[(&str, &str)]| accepted(&format!("{MINIMAL}{text}"), env).access.jwt.unwrap();
    let plain = jwt("[access.jwt]\nissuer = \"https://idp.example.com/\"\naudience = \"a\"", &[]);
    assert_eq!((plain.issuer.as_str(), plain.audience), ("https://idp.example.com/", vec!["a".to_owned()]));
    assert_eq!((plain.jwks_uri, plain.allow_http, plain.ca_file), (None, false, None));
    assert_eq!(plain.scope_claims, ["scope", "permissions"]);

    let inside = jwt(
        "[access]
        jwt.issuer = \"http://keycloak.internal/realms/ops\"
        jwt.allow_http = true
        jwt.audience = [\"a\", \"b\"]
        jwt.scope_claims = [\"scp\"]",
        &[("LOGOUTD_ACCESS__JWT__JWKS_URI", "http://keycloak.internal/certs")],
    );
    assert_eq!(inside.audience, ["a", "b"]);
    assert_eq!(inside.jwks_uri.unwrap().as_str(), "http://keycloak.internal/certs");
    let off = accepted(&format!("{MINIMAL}[access]\nrate_limit = \"off\"\n"), &[]).access;
    assert_eq!(off.rate_limit, None);
}
