//! Limits: of what a caller may ask, and of how often an address may be wrong.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::{made, read_deliveries};
use crate::support::app::{Setup, TestApp};
use crate::support::{TOKEN, event};

fn number(response: &Response, header: &str) -> u64 {
    response.headers()[header].to_str().unwrap().parse().unwrap()
}

async fn assert_too_many(response: Response, message: &str) {
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!((1..=3600).contains(&number(&response, "retry-after")));
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["errorCode"], "too_many_requests", "{answer}");
    assert!(answer["message"].as_str().unwrap().contains(message), "{answer}");
}

fn harmless() -> Value {
    event("session.created", json!({"sid": "s-1", "sub": "alice"}))
}

#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_when_to_come_back() {
    let setup = Setup::new().with("[access]\nrate_limit = \"3/h\"");
    let config = setup.write();
    let other = made(&config, &["read:deliveries"], &[]);
    let app = setup.start().await;
    let ask = async |token: &str| read_deliveries(&app, token).send().await.unwrap();
    for remaining in [2, 1, 0] {
        let response = ask(TOKEN).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(number(&response, "x-ratelimit-limit"), 3);
        assert_eq!(number(&response, "x-ratelimit-remaining"), remaining);
        assert!(number(&response, "x-ratelimit-reset") > 1_700_000_000);
    }
    let refused = ask(TOKEN).await;
    assert_eq!((number(&refused, "x-ratelimit-limit"), number(&refused, "x-ratelimit-remaining")), (3, 0));
    assert_too_many(refused, "rate limit of this token").await;

    // Another caller has room of its own, a refusal for want of scope uses it too, and events need none.
    assert_eq!(number(&ask(&other.secret).await, "x-ratelimit-remaining"), 2);
    let url = format!("{}/api/v2/deliveries/redeliver", app.management);
    let refused = app.http.post(url).bearer_auth(&other.secret).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(number(&refused, "x-ratelimit-remaining"), 1);
    let (status, answer) = app.report(&harmless()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    let metrics = app.http.get(format!("{}/metrics", app.management)).send().await.unwrap();
    assert_eq!(metrics.status(), StatusCode::OK);
    assert!(!metrics.headers().contains_key("x-ratelimit-limit"));
    app.stop().await;
}

#[tokio::test]
async fn an_address_that_fails_too_often_is_told_no_more_and_shuts_nobody_out() {
    let setup = Setup::new().with("[access]\nfailed_attempts = \"3/h\"");
    let config = setup.write();
    let [in_use, idle] = [0, 1].map(|_| made(&config, &["read:deliveries"], &[]));
    let app = setup.start().await;
    let ask = async |token: &str| read_deliveries(&app, token).send().await.unwrap();
    assert_eq!(ask(&in_use.secret).await.status(), StatusCode::OK);
    assert_eq!(ask(TOKEN).await.status(), StatusCode::OK);

    // A token without the scope is no guess, and no token at all is none either.
    for _ in 0..5 {
        let url = format!("{}/events", app.server);
        let refused = app.http.post(&url).bearer_auth(&in_use.secret).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        assert_eq!(app.http.post(&url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
    let basic = app.http.get(format!("{}/api/v2/deliveries", app.management)).basic_auth("u", Some(TOKEN));
    assert_eq!(basic.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let made_up = format!("logoutd_{}", "A".repeat(43));
    for wrong in ["wrong", &made_up] {
        assert_eq!(ask(wrong).await.status(), StatusCode::UNAUTHORIZED);
    }

    // Now guesses are told nothing, on either listener, also if they look like tokens.
    for wrong in ["wrong", "a.b.c", &made_up, &format!("logoutd_{}", "B".repeat(43))] {
        assert_too_many(ask(wrong).await, "Too many failed attempts").await;
    }
    let guess = app.http.post(format!("{}/events", app.server)).bearer_auth("wrong").send().await.unwrap();
    assert_too_many(guess, "Too many failed attempts").await;
    // Whoever guesses shuts nobody out who shares the address; and what needs no token goes on.
    assert_right_tokens_are_taken(&app, &[&in_use.secret, &idle.secret]).await;
    assert!(app.jwks().await["keys"].is_array());

    // Nor after a restart, when no token has been in use yet.
    let app = app.stop().await.start().await;
    let ask = async |token: &str| read_deliveries(&app, token).send().await.unwrap();
    for _ in 0..3 {
        assert_eq!(ask("wrong").await.status(), StatusCode::UNAUTHORIZED);
    }
    assert_too_many(ask("wrong").await, "Too many failed attempts").await;
    assert_right_tokens_are_taken(&app, &[&idle.secret, &in_use.secret]).await;
    app.stop().await;
}

/// The bootstrap token, and these API tokens that may read deliveries.
async fn assert_right_tokens_are_taken(app: &TestApp, secrets: &[&str]) {
    let (status, answer) = app.report(&harmless()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    for secret in secrets {
        assert_eq!(read_deliveries(app, secret).send().await.unwrap().status(), StatusCode::OK);
    }
}

/// A wrong token, by way of a proxy that says where it came from.
async fn guess(app: &TestApp, headers: &[(&str, &str)]) -> StatusCode {
    let request = headers
        .iter()
        .fold(read_deliveries(app, "wrong"), |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_has_a_limit_of_its_own() {
    const REFUSED: StatusCode = StatusCode::UNAUTHORIZED;
    const TOO_MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;
    let access = "[access]\nfailed_attempts = \"2/h\"\ntrusted_proxies = [\"127.0.0.0/8\"]";
    let app = Setup::new().with(access).start().await;
    let listed = |address| [("x-forwarded-for", address)];
    for expected in [REFUSED, REFUSED, TOO_MANY] {
        assert_eq!(guess(&app, &listed("192.0.2.1")).await, expected);
    }
    // What a stranger wrote to the left of it does not count; the other header does alike.
    assert_eq!(guess(&app, &listed("198.51.100.7, 192.0.2.1")).await, TOO_MANY);
    assert_eq!(guess(&app, &[("forwarded", "for=192.0.2.1;proto=https")]).await, TOO_MANY);
    for (name, value) in [("x-forwarded-for", "192.0.2.2"), ("forwarded", "for=\"[2001:db8:0:1::1]\"")] {
        for expected in [REFUSED, REFUSED, TOO_MANY] {
            assert_eq!(guess(&app, &[(name, value)]).await, expected);
        }
    }
    assert_eq!(guess(&app, &listed("2001:db8:0:1:ffff::2")).await, TOO_MANY, "the same network");
    // What cannot be read, or is contradicted, is the proxy's own.
    for headers in [
        &[("x-forwarded-for", "192.0.2.3, unknown")][..],
        &[("x-forwarded-for", "192.0.2.3"), ("forwarded", "for=192.0.2.4")],
    ] {
        assert_eq!(guess(&app, headers).await, REFUSED);
    }
    assert_eq!(guess(&app, &[]).await, TOO_MANY);
    assert_right_tokens_are_taken(&app, &[]).await;

    // The audit trail has the same address.
    let rotate = app.http.post(format!("{}/api/v2/keys/signing/rotate", app.management)).bearer_auth(TOKEN);
    rotate.header("x-forwarded-for", "198.51.100.7, 192.0.2.9").send().await.unwrap();
    let (_, logs) = app.get("/logs").await;
    assert_eq!(logs[0]["ip"], "192.0.2.9", "{logs}");
    app.stop().await;
}

#[tokio::test]
async fn what_a_stranger_says_of_where_it_comes_from_does_not_count() {
    let proxies = "trusted_proxies = [\"192.0.2.0/24\", \"::1/128\"]";
    let app = Setup::new().with(&format!("[access]\nfailed_attempts = \"2/h\"\n{proxies}")).start().await;
    let mut answers = Vec::new();
    for address in ["198.51.100.1", "198.51.100.2", "198.51.100.3", "192.0.2.1"] {
        answers.push(guess(&app, &[("x-forwarded-for", address)]).await.as_u16());
        answers.push(guess(&app, &[("forwarded", &format!("for={address}"))]).await.as_u16());
    }
    assert_eq!(answers, [401, 401, 429, 429, 429, 429, 429, 429]);
    app.stop().await;
}
