//! Times in answers: three fraction digits always, as Auth0 writes them.

use std::sync::Arc;

use jiff::Timestamp;
use logoutd::clock::ManualClock;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::Setup;
use crate::support::{TOKEN, event};

/// Every time in a value, with where it is.
fn times(at: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) if text.parse::<Timestamp>().is_ok() => found.push((at.to_owned(), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| times(at, item, found)),
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| times(&format!("{at}.{name}"), member, found));
        }
        _ => {}
    }
}

fn has_three_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == "2026-01-02T03:04:05.000Z".len()
        && bytes[19] == b'.'
        && bytes[20..23].iter().all(u8::is_ascii_digit)
        && bytes[23] == b'Z'
}

#[tokio::test]
async fn every_time_of_every_resource_has_three_fraction_digits() {
    // It stands still at a whole second: what is not written out in full is seen.
    let clock = Arc::new(ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap()));
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(400)).mount(&rp).await;
    let app = Setup::new()
        .with("[delivery]\nbreaker_failures = 1")
        .client("shop", &rp.uri(), "initiators = \"all\"")
        .client("down", "http://127.0.0.1:9/", "initiators = \"all\"")
        .start_with(clock)
        .await;
    let created = json!({"sid": "s-1", "sub": "alice", "clients": ["shop"],
        "authenticated_at": "2026-01-02T03:04:05+00:00", "expires_at": "2027-01-02T03:04:05.5Z",
        "idle_expires_at": "2027-01-02T03:04:05.123456Z"});
    app.report(&event("session.created", created)).await;
    let ended = json!({"sid": "s-2", "sub": "bob", "initiator": "rp-logout", "clients": ["shop", "down"]});
    let (_, answer) = app.report_and_wait(&event("session.terminated", ended), 3).await;
    let id = |client: &str| {
        let deliveries = answer["deliveries"].as_array().unwrap();
        deliveries.iter().find(|it| it["client_id"] == client).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (shop, down) = (id("shop"), id("down"));

    let mut found = Vec::new();
    let redeliver =
        json!({"created_after": "2026-01-02T03:04:05Z", "created_before": "2026-01-03T00:00:00Z"});
    let change = json!({"session_metadata": {}});
    let client = json!({"client_id": "made", "id_token_signed_response_alg": "ES256"});
    let mut job = String::new();
    for (method, path, body) in [
        (Method::GET, "/sessions/s-1".to_owned(), None),
        (Method::PATCH, "/sessions/s-1".to_owned(), Some(change)),
        (Method::GET, "/users/alice/sessions".to_owned(), None),
        (Method::POST, "/clients".to_owned(), Some(client)),
        (Method::GET, "/clients".to_owned(), None),
        (Method::GET, "/clients?include_totals=true".to_owned(), None),
        (Method::GET, "/clients?take=2".to_owned(), None),
        (Method::GET, "/clients/shop".to_owned(), None),
        (Method::PATCH, "/clients/made".to_owned(), Some(json!({"description": "d"}))),
        (Method::POST, "/clients/shop/test".to_owned(), None),
        (Method::GET, "/deliveries".to_owned(), None),
        (Method::GET, format!("/deliveries/{shop}"), None),
        (Method::GET, format!("/deliveries/{down}"), None),
        (Method::POST, format!("/deliveries/{shop}/redeliver"), None),
        (Method::GET, "/breakers".to_owned(), None),
        (Method::POST, "/deliveries/redeliver".to_owned(), Some(redeliver)),
        (Method::GET, "/jobs/{job}".to_owned(), None),
        (Method::GET, "/keys/signing".to_owned(), None),
        (Method::GET, "/logs".to_owned(), None),
        (Method::GET, "/logs?include_totals=true".to_owned(), None),
    ] {
        let path = path.replace("{job}", &job);
        let (status, answer) = app.api(method.clone(), &path, body).await;
        assert!(status.is_success(), "{method} {path}: {answer}");
        if path == "/deliveries/redeliver" {
            answer["id"].as_str().unwrap().clone_into(&mut job);
        }
        let before = found.len();
        times(&format!("{method} {path}"), &answer, &mut found);
        assert!(found.len() > before, "{method} {path} has no times any more: {answer}");
    }
    let (status, document) =
        app.send(app.http.get(format!("{}/api/v2/openapi.json", app.management)).bearer_auth(TOKEN)).await;
    assert_eq!(status, StatusCode::OK);
    times("openapi", &document, &mut found);

    let short: Vec<_> = found.iter().filter(|(_, time)| !has_three_digits(time)).collect();
    assert!(short.is_empty(), "these have other than three fraction digits: {short:#?}");
    for (of, member, time) in [
        ("GET /sessions/s-1", "authenticated_at", "2026-01-02T03:04:05.000Z"),
        ("GET /sessions/s-1", "expires_at", "2027-01-02T03:04:05.500Z"),
        ("GET /sessions/s-1", "idle_expires_at", "2027-01-02T03:04:05.123Z"),
        ("POST /deliveries/redeliver", "filter.created_after", "2026-01-02T03:04:05.000Z"),
    ] {
        let at = format!("{of}.{member}");
        assert!(found.contains(&(at.clone(), time.to_owned())), "{at}: {found:#?}");
    }
    app.stop().await;
}
