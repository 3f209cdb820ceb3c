//! `POST /oauth/token`: an API token's id and secret for a bearer token, as tools have it that insist on logging in.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use logoutd::clock::{Clock, ManualClock, SystemClock};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::support::TOKEN;
use crate::support::app::{Setup, TestApp};
use crate::support::process::logoutd;

fn tokens(config: &Path, arguments: &[&str]) -> Value {
    let output =
        logoutd().arg("tokens").args(arguments).args(["--json", "--config"]).arg(config).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The id and the secret of a new API token.
fn made(config: &Path, more: &[&str]) -> (String, String) {
    let scopes = ["create", "--name", "terraform", "--scope", "read:logs,delete:sessions"];
    let token = tokens(config, &[&scopes, more].concat());
    let text = |member: &str| token[member].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

fn post(app: &TestApp) -> RequestBuilder {
    app.http.post(format!("{}/oauth/token", app.management))
}

fn credentials<'a>(id: &'a str, secret: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)]
}

async fn logs(app: &TestApp, bearer: &str) -> StatusCode {
    let request = app.http.get(format!("{}/api/v2/logs", app.management)).bearer_auth(bearer);
    app.send(request).await.0
}

#[tokio::test]
async fn an_api_token_logs_in_and_its_bearer_does_what_it_does() {
    let setup = Setup::new();
    let config = setup.write();
    let (id, secret) = made(&config, &[]);
    let app = setup.start().await;
    let with_audience = [credentials(&id, &secret), vec![("audience", "https://logoutd/api/v2/")]].concat();
    let as_json: Value = with_audience
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let grant = [("grant_type", "client_credentials")];
    let with_id = [("grant_type", "client_credentials"), ("client_id", id.as_str())];
    for request in [
        post(&app).form(&credentials(&id, &secret)),
        post(&app).form(&with_audience),
        post(&app).json(&as_json),
        post(&app).form(&grant).basic_auth(&id, Some(&secret)),
        // golang.org/x/oauth2, as the Auth0 CLI has it.
        post(&app).form(&with_id).basic_auth(&id, Some(&secret)),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["pragma"], "no-cache");
        let answer: Value = response.json().await.unwrap();
        let members: Vec<_> = answer.as_object().unwrap().keys().collect();
        assert_eq!(members, ["access_token", "expires_in", "scope", "token_type"]);
        assert_eq!(answer["token_type"], "Bearer");
        assert_eq!(answer["scope"], "delete:sessions read:logs");
        // It never expires: tools that ask how long it lives log in again after a day.
        assert_eq!(answer["expires_in"], 86_400);
        let bearer = answer["access_token"].as_str().unwrap();
        assert_eq!(logs(&app, bearer).await, StatusCode::OK);
        let denied = app.http.get(format!("{}/api/v2/clients", app.management)).bearer_auth(bearer);
        let (status, answer) = app.send(denied).await;
        assert_eq!((status, &answer["errorCode"]), (StatusCode::FORBIDDEN, &json!("insufficient_scope")));
    }
    // It is written down who logged in, without what with.
    let url = format!("{}/api/v2/logs?type=sapi&per_page=100", app.management);
    let (_, entries) = app.send(app.http.get(url).bearer_auth(TOKEN)).await;
    let logins: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["description"] == "Log in with client credentials")
        .collect();
    assert_eq!(logins.len(), 5);
    let auth = json!({"kind": "api_token", "id": id, "name": "terraform"});
    assert!(logins.iter().all(|entry| entry["details"]["request"]["auth"] == auth), "{logins:?}");
    assert!(!entries.to_string().contains(&secret[8..]));

    // What is revoked is revoked, however it came by its bearer.
    let (_, answer) = app.send(post(&app).form(&credentials(&id, &secret))).await;
    tokens(&config, &["revoke", &id]);
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(logs(&app, answer["access_token"].as_str().unwrap()).await, StatusCode::UNAUTHORIZED);
    let (status, answer) = app.send(post(&app).form(&credentials(&id, &secret))).await;
    assert_eq!((status, &answer["error"]), (StatusCode::UNAUTHORIZED, &json!("invalid_client")));
    app.stop().await;
}

#[tokio::test]
async fn the_bearer_has_the_form_of_a_jwt_and_is_taken_in_no_other() {
    let setup = Setup::new();
    let config = setup.write();
    let (id, secret) = made(&config, &[]);
    let app = setup.start().await;
    let (_, answer) = app.send(post(&app).form(&credentials(&id, &secret))).await;
    let bearer = answer["access_token"].as_str().unwrap();
    // The Auth0 CLI takes nothing else for a token.
    let [header, claims, signature] = bearer.split('.').collect::<Vec<_>>()[..] else { panic!("{bearer}") };
    let json_of =
        |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    assert_eq!(json_of(header), json!({"alg": "HS256", "typ": "at+jwt"}));
    assert_eq!(signature, secret);
    let claims_shown = json_of(claims);
    assert_eq!(
        (&claims_shown["sub"], &claims_shown["scope"]),
        (&json!(id), &json!("delete:sessions read:logs"))
    );
    assert!(claims_shown["exp"].is_u64() && claims_shown["iat"].is_u64());

    // What it says of itself counts for nothing: the secret does.
    let lie = URL_SAFE_NO_PAD.encode(json!({"scope": "read:clients", "exp": 1}).to_string());
    let lying = format!("{header}.{lie}.{secret}");
    assert_eq!(logs(&app, &lying).await, StatusCode::OK);
    let clients = app.http.get(format!("{}/api/v2/clients", app.management)).bearer_auth(&lying);
    assert_eq!(app.send(clients).await.0, StatusCode::FORBIDDEN);
    let other = format!("logoutd_{}", "A".repeat(43));
    for wrong in [
        format!("{header}.{claims}.{other}"),
        format!("{header}.{secret}"),
        format!("{header}.{claims}.{TOKEN}"),
    ] {
        assert_eq!(logs(&app, &wrong).await, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    app.stop().await;
}

#[tokio::test]
async fn it_lives_no_longer_than_the_api_token() {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let setup = Setup::new();
    let config = setup.write();
    let (id, secret) = made(&config, &["--expires-in", "1h"]);
    let app = setup.start_with(Arc::clone(&clock) as _).await;
    clock.advance(Duration::from_mins(10));
    let (_, answer) = app.send(post(&app).form(&credentials(&id, &secret))).await;
    let left = answer["expires_in"].as_i64().unwrap();
    assert!((2_980..=3_005).contains(&left), "{left}");
    let claims = answer["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let end = Timestamp::from_second(claims["exp"].as_i64().unwrap()).unwrap();
    assert!((2_980..=3_005).contains(&(end.as_second() - clock.now().as_second())), "{claims}");
    clock.advance(Duration::from_hours(1));
    let (status, answer) = app.send(post(&app).form(&credentials(&id, &secret))).await;
    assert_eq!((status, &answer["error"]), (StatusCode::UNAUTHORIZED, &json!("invalid_client")));
    app.stop().await;
}

#[tokio::test]
async fn errors_are_those_of_rfc_6749() {
    let setup = Setup::new().with("[access]\nfailed_attempts = \"off\"");
    let config = setup.write();
    let (id, secret) = made(&config, &[]);
    let (other, _) = made(&config, &[]);
    let app = setup.start().await;
    let form = |pairs: &[(&str, &str)]| post(&app).form(pairs);
    let right = credentials(&id, &secret);
    let twice = [right.clone(), vec![("client_id", id.as_str())]].concat();
    let made_up = format!("logoutd_{}", "A".repeat(43));
    let basic = |text: &str| post(&app).header("authorization", format!("Basic {}", STANDARD.encode(text)));
    let grant = [("grant_type", "client_credentials")];
    for (what, request, status, error) in [
        ("no body", post(&app), 400, "invalid_request"),
        ("no grant", form(&right[1..]), 400, "invalid_request"),
        (
            "another grant",
            form(&[("grant_type", "password"), ("client_id", &id), ("client_secret", &secret)]),
            400,
            "unsupported_grant_type",
        ),
        ("no credentials", form(&grant), 401, "invalid_client"),
        ("no secret", form(&right[..2]), 401, "invalid_client"),
        ("an empty secret", form(&credentials(&id, "")), 401, "invalid_client"),
        ("a wrong secret", form(&credentials(&id, &made_up)), 401, "invalid_client"),
        ("another's id", form(&credentials(&other, &secret)), 401, "invalid_client"),
        ("no id at all", form(&credentials("terraform", &secret)), 401, "invalid_client"),
        ("the bootstrap token", form(&credentials("bootstrap", TOKEN)), 401, "invalid_client"),
        ("basic, wrong", basic(&format!("{id}:wrong")).form(&grant), 401, "invalid_client"),
        ("basic, without a colon", basic(&id).form(&grant), 401, "invalid_client"),
        ("no base64", post(&app).header("authorization", "Basic ???").form(&grant), 401, "invalid_client"),
        ("another scheme", post(&app).bearer_auth(&secret).form(&grant), 401, "invalid_client"),
        ("two ways at once", form(&right).basic_auth(&id, Some(&secret)), 400, "invalid_request"),
        (
            "two ids",
            form(&[("grant_type", "client_credentials"), ("client_id", &other)])
                .basic_auth(&id, Some(&secret)),
            400,
            "invalid_request",
        ),
        ("a parameter twice", form(&twice), 400, "invalid_request"),
        ("a list", post(&app).json(&json!([])), 400, "invalid_request"),
        (
            "a number",
            post(&app).json(&json!({"grant_type": "client_credentials", "client_id": 1})),
            400,
            "invalid_request",
        ),
        ("no JSON", post(&app).header("content-type", "application/json").body("{"), 400, "invalid_request"),
        (
            "a member twice",
            post(&app)
                .header("content-type", "application/json")
                .body(r#"{"grant_type": "client_credentials", "client_id": "a", "client_id": "b"}"#),
            400,
            "invalid_request",
        ),
        (
            "bad encoding",
            post(&app).header("content-type", "application/x-www-form-urlencoded").body("grant_type=%zz"),
            400,
            "invalid_request",
        ),
        (
            "text",
            post(&app).header("content-type", "text/plain").body("grant_type=client_credentials"),
            400,
            "invalid_request",
        ),
        ("too much", form(&[("grant_type", &"a".repeat(20_000))]), 413, "invalid_request"),
    ] {
        let response = request.send().await.unwrap();
        let challenge = response.headers().get("www-authenticate").map(|it| it.to_str().unwrap().to_owned());
        assert_eq!(response.headers()["cache-control"], "no-store", "{what}");
        let got = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        assert_eq!((got, &answer["error"]), (status, &json!(error)), "{what}: {answer}");
        assert!(
            answer["error_description"].as_str().is_some_and(|it| !it.is_empty() && it.is_ascii()),
            "{what}: {answer}"
        );
        assert_eq!(answer.as_object().unwrap().len(), 2, "{what}: {answer}");
        assert_eq!(challenge.as_deref(), (status == 401).then_some("Basic realm=\"logoutd\""), "{what}");
        assert!(!answer.to_string().contains(&secret), "{what}");
    }
    // None of them is in the trail: strangers cannot fill it.
    let (_, entries) = app.get("/logs").await;
    let described = |entry: &Value| entry["description"] == "Log in with client credentials";
    assert!(!entries.as_array().unwrap().iter().any(described), "{entries}");
    app.stop().await;
}

#[tokio::test]
async fn guesses_count_as_failed_attempts_and_logins_against_the_callers_limit() {
    let setup = Setup::new().with("[access]\nfailed_attempts = \"3/h\"\nrate_limit = \"4/h\"");
    let config = setup.write();
    let (id, secret) = made(&config, &[]);
    let (other, _) = made(&config, &[]);
    let app = setup.start().await;
    for _ in 0..4 {
        assert_eq!(app.send(post(&app).form(&credentials(&id, &secret))).await.0, StatusCode::OK);
    }
    let response = post(&app).form(&credentials(&id, &secret)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(response.json::<Value>().await.unwrap()["error"], "too_many_requests");

    // A wrong secret, and a right one with another's id: each is a guess.
    let made_up = format!("logoutd_{}", "A".repeat(43));
    for (id, secret) in [(&id, &made_up), (&other, &secret), (&other, &made_up)] {
        assert_eq!(app.send(post(&app).form(&credentials(id, secret))).await.0, StatusCode::UNAUTHORIZED);
    }
    let response = post(&app).form(&credentials(&id, &made_up)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3_600).contains(&wait));
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["error"], "too_many_requests");
    // They count with those at the API itself.
    let refused = app.http.get(format!("{}/api/v2/logs", app.management)).bearer_auth("wrong");
    assert_eq!(app.send(refused).await.0, StatusCode::TOO_MANY_REQUESTS);
    app.stop().await;
}
