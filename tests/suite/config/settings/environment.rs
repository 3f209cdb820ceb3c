//! Variables of the environment override keys.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use logoutd::config::Config;
use logoutd::domain::algorithm::SigningAlg;
use logoutd::domain::client::TokenTyp;
use logoutd::domain::initiator::Initiators;
use logoutd::domain::metadata::MetadataChoice;

use super::{MINIMAL, accepted, refused};

#[test]
fn the_environment_overrides_a_key_of_any_kind() {
    let text = "[issuer]\nurl = \"https://op.example.com\"\n[[clients]]\nclient_id = \"a\"\n";
    let config = accepted(
        text,
        &[
            ("LOGOUTD_ISSUER__URL", "https://other.example.com/x"),
            ("LOGOUTD_SERVER__LISTEN", "127.0.0.1:9000"),
            ("LOGOUTD_SERVER__TLS__CERTIFICATE", "a.pem"),
            ("LOGOUTD_SERVER__TLS__KEY", "a.key"),
            ("LOGOUTD_KEYS__ALGORITHMS", "[\"EdDSA\"]"),
            ("LOGOUTD_KEYS__ROTATE_EVERY", "0"),
            ("LOGOUTD_DELIVERY__TIMEOUT", "\"7s\""),
            ("LOGOUTD_DELIVERY__MAX_CONCURRENCY", "8"),
            ("LOGOUTD_DELIVERY__SCHEDULE", "[\"1s\", '2s']"),
            ("LOGOUTD_EGRESS__ALLOW_HTTP", "true"),
            ("LOGOUTD_LOG__LEVEL", "warn"),
            ("LOGOUTD_CLIENTS__0__CLIENT_NAME", "12"),
            ("LOGOUTD_CLIENTS__0__INITIATORS", "all"),
            ("LOGOUTD_CLIENTS__0__TOKEN", "{ ttl = \"1m\", typ = \"JWT\" }"),
            ("LOGOUTD_CLIENTS__0__TOKEN__TYP", "none"),
            ("LOGOUTD_CLIENTS__1__SESSION_METADATA", "true"),
            ("LOGOUTD_CLIENTS__1__CLIENT_ID", "true"),
        ],
    );
    assert_eq!(config.issuer.url.as_str(), "https://other.example.com/x");
    assert_eq!(config.server.listen.port(), 9000);
    assert_eq!(config.server.tls.unwrap().certificate, Path::new("a.pem"));
    assert_eq!(config.management.tls, None);
    assert_eq!(config.keys.algorithms, [SigningAlg::EdDsa]);
    assert_eq!(config.keys.rotate_every, None);
    assert_eq!(config.delivery.timeout, Duration::from_secs(7));
    assert_eq!((config.delivery.max_concurrency, config.delivery.max_concurrency_per_client), (8, 8));
    assert_eq!(config.delivery.schedule, [Duration::from_secs(1), Duration::from_secs(2)]);
    assert!(config.egress.allow_http);
    assert_eq!(config.log.level, "warn");
    let [a, b] = config.clients.as_slice() else { panic!("{:?}", config.clients) };
    assert_eq!((a.client_id.as_str(), a.client_name.as_deref()), ("a", Some("12")));
    assert_eq!(a.initiators, Initiators::All);
    assert_eq!((a.token.ttl, a.token.typ), (Duration::from_mins(1), TokenTyp::None));
    assert_eq!((b.client_id.as_str(), &b.session_metadata), ("true", &MetadataChoice::All));
}

#[test]
fn a_problem_of_a_variable_names_it() {
    for (name, value, expected) in [
        (
            "LOGOUTD_DELIVERY__TIMEOUT",
            "5",
            "LOGOUTD_DELIVERY__TIMEOUT: delivery.timeout: durations are strings with a unit, such as \"5s\"",
        ),
        (
            "LOGOUTD_DELIVERY__MAX_CONCURRENCY",
            "many",
            "LOGOUTD_DELIVERY__MAX_CONCURRENCY: delivery.max_concurrency: must be a whole number, not a string",
        ),
        (
            "LOGOUTD_KEYS__ALGORITHMS",
            "RS256,ES256",
            "LOGOUTD_KEYS__ALGORITHMS: keys.algorithms: must be a list in square brackets, not a string",
        ),
        (
            "LOGOUTD_KEYS__ALGORITHMS",
            "[\"RS257\"]",
            "LOGOUTD_KEYS__ALGORITHMS: keys.algorithms[0]: `RS257` is not a supported signing algorithm; use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
        ),
        (
            "LOGOUTD_SERVER__PORT",
            "1",
            "LOGOUTD_SERVER__PORT: server.port: unknown key; the keys here are listen, tls, max_connections",
        ),
        (
            "LOGOUTD_SERVER__LISTEN__PORT",
            "1",
            "LOGOUTD_SERVER__LISTEN__PORT: server.listen: must be a string, not a table",
        ),
        (
            "LOGOUTD_CONFIG__PATH",
            "x",
            "LOGOUTD_CONFIG__PATH: config: unknown key; the sections here are issuer, server, management, access, store, keys, sessions, delivery, egress, metadata, audit, log, clients",
        ),
        (
            "LOGOUTD_server__listen",
            "x",
            "LOGOUTD_server__listen: is written in upper case: LOGOUTD_SERVER__LISTEN",
        ),
        (
            "LOGOUTD_CLIENTS__1__CLIENT_ID",
            "x",
            "LOGOUTD_CLIENTS__1__CLIENT_ID: there is no entry 1: they are counted from 0, and the next one is 0",
        ),
        (
            "LOGOUTD_CLIENTS__0__CLIENT_NAME",
            "x",
            "LOGOUTD_CLIENTS__0__CLIENT_NAME: clients[0].client_id: is required",
        ),
        (
            "LOGOUTD_LOG",
            " ",
            "LOGOUTD_LOG: log.level: must be a level such as \"info\" or \"debug\", and is empty",
        ),
        ("LOGOUTD_BOOTSTRAP_TOKEN", "", "LOGOUTD_BOOTSTRAP_TOKEN: must not be empty"),
        (
            "LOGOUTD_BOOTSTRAP_TOKEN",
            "x",
            "LOGOUTD_BOOTSTRAP_TOKEN: must have at least 16 characters, so that it cannot be guessed; `openssl rand -hex 32` makes one",
        ),
        (
            "LOGOUTD_BOOTSTRAP_TOKEN_FILE",
            "/nonexistent/x",
            "LOGOUTD_BOOTSTRAP_TOKEN_FILE: cannot read /nonexistent/x: No such file or directory (os error 2)",
        ),
    ] {
        assert_eq!(refused(MINIMAL, &[(name, value)]), expected);
    }
}

#[test]
fn a_table_a_variable_goes_through_is_not_to_blame_for_what_is_missing() {
    assert_eq!(
        refused("", &[("LOGOUTD_ISSUER__NAME", "x")]),
        "config.toml: issuer.url: is required\n\
         LOGOUTD_ISSUER__NAME: issuer.name: unknown key; the keys here are url, jwks_uri, pairwise"
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_unicode_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let garbage = OsString::from_vec(vec![0xff]);
    let env = [(garbage.clone(), garbage.clone()), (OsString::from("LOGOUTD_LOG__LEVEL"), garbage)];
    let errors = Config::parse(Path::new("config.toml"), MINIMAL, env).unwrap_err();
    assert_eq!(errors.to_string(), "LOGOUTD_LOG__LEVEL: its value must be UTF-8");
}

#[test]
fn the_programs_own_variables_and_foreign_ones_are_no_overrides() {
    let config = accepted(
        MINIMAL,
        &[
            ("LOGOUTD_URL", "http://127.0.0.1:8081"),
            ("LOGOUTD_TOKEN", "x"),
            ("LOGOUTD_SERVICE_HOST", "10.0.0.1"),
            ("LOGOUTD_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("PATH", "/bin"),
            ("LOGOUTD", "x"),
        ],
    );
    assert_eq!(config, accepted(MINIMAL, &[]));
}

#[test]
fn the_log_variable_has_the_last_word() {
    let level = |env: &[(&str, &str)]| accepted(MINIMAL, env).log.level;
    assert_eq!(level(&[("LOGOUTD_LOG", "debug"), ("LOGOUTD_LOG__LEVEL", "warn")]), "debug");
    assert_eq!(level(&[("LOGOUTD_LOG__LEVEL", "warn"), ("LOGOUTD_LOG", "debug")]), "debug");
    assert_eq!(level(&[("LOGOUTD_LOG", "")]), "info");
}
