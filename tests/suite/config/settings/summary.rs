//! The summary of `check-config`, for people and as JSON.

use logoutd::cli::check_config;
use logoutd::config::Config;

use super::{MINIMAL, accepted, in_repository, load, uncommented};

#[test]
fn the_summary_says_what_the_configuration_comes_to() {
    let config = Config::load(&in_repository("fixtures/config/contract.toml"), []).unwrap().config;
    assert_eq!(
        check_config::render(&config),
        "\
issuer      https://op.example.com
server      127.0.0.1:8080
management  127.0.0.1:8081
access      API tokens; 500/s requests per caller, 100/m failed attempts per address
store       sqlite://logoutd.db, kept for 30d
keys        keys: RS256, ES256, rotated every 90d
delivery    512 at a time, 16 per client, 5s each; again after 1s, 5s, 30s, 2m, 10m, 30m, 1h, 2h, 4h; for 1d
egress      https only; public addresses only
metadata    sensitive values: warn
log         info, auto
clients     1
            shop: https://shop.example.com, RS256, all initiators, all metadata
"
    );
}

#[test]
fn the_summary_shows_a_listeners_tls() {
    let text =
        "[server.tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n[management.tls]\ncertificate = \"b.pem\"
        key = \"b.key\"\nclient_ca = \"ca.pem\"\n";
    let summary = check_config::render(&accepted(&format!("{MINIMAL}{text}"), &[]));
    for line in [
        "server      127.0.0.1:8080, TLS with a.pem",
        "management  127.0.0.1:8081, TLS with b.pem, client certificates required (ca.pem)",
    ] {
        assert!(summary.lines().any(|it| it == line), "{summary}");
    }
}

#[test]
fn the_json_summary_is_the_configuration_again() {
    let sample = std::fs::read_to_string(in_repository("config.toml")).unwrap();
    for text in [sample.clone(), uncommented(&sample), format!("{MINIMAL}keys.rotate_every = 0\n")] {
        let config = accepted(&text, &[]);
        let mut json = check_config::json(&config);
        drop_nulls(&mut json);
        let again = toml::to_string(&json).unwrap();
        assert_eq!(accepted(&again, &[]), config, "{again}");
    }
}

fn drop_nulls(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[test]
fn problems_are_told_as_json_too() {
    let errors = load("[server]\nport = 1\n", &[("LOGOUTD_BOOTSTRAP_TOKEN", "")]).unwrap_err();
    assert_eq!(
        check_config::problems_json(&errors),
        serde_json::json!({ "problems": [
            { "file": "config.toml", "line": null, "column": null, "variable": null,
              "key": "issuer.url", "message": "is required" },
            { "file": "config.toml", "line": 2, "column": 1, "variable": null,
              "key": "server.port", "message": "unknown key; the keys here are listen, tls, max_connections" },
            { "file": null, "line": null, "column": null, "variable": "LOGOUTD_BOOTSTRAP_TOKEN",
              "key": null, "message": "must not be empty" },
        ] })
    );
}
