//! URIs that an operator gives and that are dialled or published: what is none is refused where it is written, with the
//! reason, by everything that takes one.

use logoutd::config::Config;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::app::{Setup, TestApp};
use crate::support::process::logoutd;
use crate::support::shell::Shell;

/// What is no URI, and what is said of it.
const BAD: &[(&str, &str)] = &[
    ("https://{tenant}.example.com", "must not contain `{`"),
    ("https://tenant}.example.com/x", "must not contain `}`"),
    ("https://a\"b.example.com", "must not contain `\"`"),
    ("https://a`b.example.com", "must not contain ``"),
    ("https://a|b.example.com", "must not contain `|`"),
    ("https://a^b.example.com", "must not contain `^`"),
    ("https://a<b.example.com", "must not contain `<`"),
    ("https://a>b.example.com", "must not contain `>`"),
    ("https://a b.example.com", "must not contain a space"),
    ("https://a\tb.example.com", "must not contain the character U+0009"),
    ("https://a\nb.example.com", "must not contain the character U+000A"),
    ("https://a\u{7f}b.example.com", "must not contain the character U+007F"),
    ("https://ex\u{e4}mple.com", "must not contain the character U+00E4"),
    ("https:\\\\rp.example.com", "must not contain `\\`"),
    ("https://rp.example.com/{path}", "must not contain `{`"),
    ("https://a%zzb.example.com", "must not contain `%`"),
    ("https://a%20b.example.com", "must have a host that can be looked up: `%`"),
    ("https://*.example.com", "must have a host that can be looked up: `*`"),
    ("https://a..example.com", "must have a host that can be looked up: a part"),
    ("https://.example.com", "must have a host that can be looked up: a part"),
    ("https://-.example.com", "must have a host that can be looked up: a part"),
    (
        "https://a123456789b123456789c123456789d123456789e123456789f123456789g123.example.com",
        "must have a host that can be looked up: a part",
    ),
    ("https://127.1", "must have a host that can be looked up: an IPv4 address"),
    ("https://0x7f000001", "must have a host that can be looked up: an IPv4 address"),
    ("https://[::1", "must have a host that can be looked up: an IPv6 address"),
    ("https:///host.example.com", "must have a host that can be looked up: it is missing"),
    ("https://", "must have a host that can be looked up: it is missing"),
    ("https://@host.example.com", "must not contain a user name or password"),
    ("https://user:hunter2@host.example.com", "must not contain a user name or password"),
    ("https:host.example.com", "must be an absolute URI"),
    ("host.example.com/x", "must be an absolute URI"),
    ("https://host.example.com:0/", "must have a port"),
    ("https://host.example.com:99999/", "must have a port"),
    ("https://host.example.com/a/../b", "must not have . or .."),
];

async fn refuses(app: &TestApp, method: Method, path: &str, body: Value, expected: &str) {
    let (status, error) = app.api(method, path, Some(body.clone())).await;
    assert_eq!((status, &error["errorCode"]), (StatusCode::BAD_REQUEST, &json!("invalid_body")), "{body}");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with(expected), "{body}: {message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn the_api_refuses_what_is_no_uri_in_every_member() {
    let app = Setup::new().without_clients().start().await;
    let alg = "ES256";
    let body = json!({"client_id": "shop", "id_token_signed_response_alg": alg});
    assert_eq!(app.api(Method::POST, "/clients", Some(body)).await.0, StatusCode::CREATED);
    for (uri, problem) in BAD {
        let member = "backchannel_logout_uri";
        let body = json!({"client_id": "bad", member: uri, "id_token_signed_response_alg": alg});
        refuses(&app, Method::POST, "/clients", body, &format!("{member}: {problem}")).await;
        refuses(&app, Method::PATCH, "/clients/shop", json!({member: uri}), &format!("{member}: {problem}"))
            .await;
        let body = json!({"oidc_logout": {"backchannel_logout_urls": [uri]}});
        let expected = format!("oidc_logout.backchannel_logout_urls[0]: {problem}");
        refuses(&app, Method::PATCH, "/clients/shop", body, &expected).await;
        let body = json!({"subject_type": "pairwise", "sector_identifier_uri": uri});
        refuses(&app, Method::PATCH, "/clients/shop", body, &format!("sector_identifier_uri: {problem}"))
            .await;
    }
    let (_, clients) = app.get("/clients").await;
    let ids: Vec<_> = clients.as_array().unwrap().iter().map(|it| &it["client_id"]).collect();
    assert_eq!(ids, ["shop"]);
    assert_eq!(clients[0].get("backchannel_logout_uri"), None);
    app.stop().await;
}

#[tokio::test]
async fn the_commands_refuse_what_is_no_uri() {
    let app = Setup::new().without_clients().start().await;
    let shell = Shell::of(&app);
    for (uri, problem) in [BAD[0], BAD[25], BAD[27]] {
        for option in ["--logout-uri", "--sector-identifier-uri"] {
            let said = shell.run(&["clients", "create", "bad", option, uri]);
            assert_eq!(said.code, 2, "{uri}: {said:?}");
            assert!(said.err.contains(problem), "{uri}: {said:?}");
        }
    }
    app.stop().await;
}

#[test]
fn check_config_refuses_what_is_no_uri_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let salt = "issuer.pairwise.salt = \"s\"";
    let issuer = "issuer.url = \"https://op.example.com\"";
    let client = "[[clients]]\nclient_id = \"a\"";
    let jwt = "[access.jwt]\naudience = \"a\"";
    for (uri, problem) in BAD {
        let uri = toml::Value::from(*uri).to_string();
        for (text, place) in [
            (
                format!("{issuer}\n{client}\nbackchannel_logout_uri = {uri}"),
                "4:26: clients[0].backchannel_logout_uri",
            ),
            (
                format!(
                    "{issuer}\n{salt}\n{client}\nsubject_type = \"pairwise\"\nsector_identifier_uri = {uri}"
                ),
                "6:25: clients[0].sector_identifier_uri",
            ),
            (format!("issuer.url = {uri}"), "1:14: issuer.url"),
            (format!("{issuer}\nissuer.jwks_uri = {uri}"), "2:19: issuer.jwks_uri"),
            (format!("{issuer}\n{jwt}\nissuer = {uri}"), "4:10: access.jwt.issuer"),
            (
                format!("{issuer}\n{jwt}\nissuer = \"https://idp.example.com\"\njwks_uri = {uri}"),
                "5:12: access.jwt.jwks_uri",
            ),
        ] {
            std::fs::write(&path, &text).unwrap();
            let problems = Config::load(&path, Vec::new()).map(|_| ()).unwrap_err().to_string();
            let expected = format!("config.toml:{place}: {problem}");
            assert!(problems.contains(&expected), "{text}\n{problems}\nnot: {expected}");
            assert!(!problems.contains("hunter2"), "{problems}");
        }
    }

    // The program itself.
    std::fs::write(&path, format!("{issuer}\n{client}\nbackchannel_logout_uri = \"{}\"\n", BAD[0].0))
        .unwrap();
    let output = logoutd().args(["check-config", "--config"]).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("config.toml:4:26: clients[0].backchannel_logout_uri: must not contain `{`"),
        "{said}"
    );
}
