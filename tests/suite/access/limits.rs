//! Limits: of what a caller may ask, and of how often an address may be wrong.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::{made, read_deliveries};
use crate::support::app::Setup;
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
async fn an_address_that_fails_too_often_is_not_heard() {
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

    // Now nothing is looked up, not even what is right, and on both listeners.
    for token in ["wrong", TOKEN, &idle.secret] {
        assert_too_many(ask(token).await, "Too many failed attempts").await;
    }
    let (status, answer) = app.report(&harmless()).await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::TOO_MANY_REQUESTS, &json!("too_many_requests")));
    // Whoever guesses shuts nobody out whose token was found a moment ago; and what needs none goes on.
    assert_eq!(ask(&in_use.secret).await.status(), StatusCode::OK);
    assert!(app.jwks().await["keys"].is_array());
    app.stop().await;
}
