//! The data-minimisation guard, by every way that metadata comes in.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::StatusCode;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::{TOKEN, event};

const CARD: &str = "4111 1111 1111 1111";

/// What is refused is for the others to see, so the value must not be in it.
const REFUSED: &str = "looks like a payment card number; session metadata is not for secrets or high-risk personal \
                       data; remove it, or set metadata.sensitive to \"warn\"";

async fn service(sensitive: &str) -> (TestApp, MockServer) {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let setup = Setup::new().client("shop", &format!("{}/logout", rp.uri()), "session_metadata = true");
    let setup = if sensitive.is_empty() {
        setup
    } else {
        setup.with(&format!("[metadata]\nsensitive = \"{sensitive}\""))
    };
    (setup.start().await, rp)
}

fn created(sid: &str, metadata: &Value) -> Value {
    event(
        "session.created",
        json!({"sid": sid, "sub": "alice", "clients": ["shop"], "session_metadata": metadata}),
    )
}

async fn patch(app: &TestApp, sid: &str, metadata: &Value) -> (StatusCode, Value) {
    let url = format!("{}/api/v2/sessions/{sid}", app.management);
    app.send(app.http.patch(url).bearer_auth(TOKEN).json(&json!({"session_metadata": metadata}))).await
}

async fn metrics(app: &TestApp) -> String {
    app.http.get(format!("{}/metrics", app.management)).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn what_is_sensitive_is_refused_by_every_way_in() {
    let (app, rp) = service("reject").await;
    let (status, answer) = app.report(&created("s-live", &json!({"org_id": "org_abc123"}))).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");

    let metadata = json!({"card": CARD, "org_id": "org_abc123"});
    let updated = event("session.updated", json!({"sid": "s-live", "session_metadata": metadata}));
    let terminated = event(
        "session.terminated",
        json!({"sid": "s-new", "initiator": "rp-logout", "clients": ["shop"], "session_metadata": metadata}),
    );
    let batch = json!([created("s-batch", &json!({})), created("s-other", &metadata)]);
    let refused = |at: &str| format!("{at}data.session_metadata.card: {REFUSED}");
    for (events, message) in [
        (created("s-new", &metadata), refused("")),
        (updated, refused("")),
        (terminated, refused("")),
        (batch, refused("[1].")),
    ] {
        let (status, answer) = app.report(&events).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(
            answer,
            json!({"statusCode": 400, "error": "Bad Request", "message": message, "errorCode": "invalid_body"})
        );
    }
    let binary = app
        .http
        .post(format!("{}/events", app.server))
        .bearer_auth(TOKEN)
        .header("content-type", "application/json")
        .header("ce-specversion", "1.0")
        .header("ce-type", "session.created")
        .header("ce-source", "https://op.example.com")
        .header("ce-id", "binary-1")
        .body(json!({"sid": "s-new", "sub": "alice", "session_metadata": metadata}).to_string());
    let (status, answer) = app.send(binary).await;
    assert_eq!((status, answer["message"].as_str()), (StatusCode::BAD_REQUEST, Some(refused("").as_str())));
    let (status, answer) = patch(&app, "s-live", &metadata).await;
    let expected = format!("session_metadata.card: {REFUSED}");
    assert_eq!((status, answer["errorCode"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_body")));
    assert_eq!(answer["message"], expected);

    // Nothing of it was stored, and what was there is as it was.
    for sid in ["s-new", "s-batch", "s-other"] {
        let end = event("session.terminated", json!({"sid": sid, "initiator": "rp-logout"}));
        assert_eq!(app.report(&end).await.1["errorCode"], "unknown_session", "{sid}");
    }
    let end = event("session.terminated", json!({"sid": "s-live", "initiator": "rp-logout"}));
    assert_eq!(app.outcome(&end, 10).await.len(), 1);
    let counted = "logoutd_sensitive_metadata_total{kind=\"payment_card\"} 6";
    assert!(metrics(&app).await.contains(counted));
    assert_eq!(rp.received_requests().await.unwrap().len(), 1);
    app.stop().await;
}

#[tokio::test]
async fn each_kind_is_named() {
    let (app, _rp) = service("reject").await;
    for (value, kind) in [
        ("-----BEGIN PRIVATE KEY-----", "a private key"),
        ("Bearer 0123456789abcdef", "a bearer token"),
        (&format!("{}_{}", "ghp", "a1B2c3D4e5F6".repeat(3)), "an API key"),
        ("123-45-6789", "a US social security number"),
    ] {
        let (_, answer) = app.report(&created("s-1", &json!({"note": value}))).await;
        let message = answer["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("data.session_metadata.note: looks like {kind};")), "{message}");
        assert!(!answer.to_string().contains(value), "{answer}");
    }
    app.stop().await;
}

#[tokio::test]
async fn what_was_accepted_before_is_not_judged_again() {
    let (app, _rp) = service("off").await;
    let event = created("s-1", &json!({"card": CARD}));
    assert_eq!(app.report(&event).await.0, StatusCode::ACCEPTED);
    assert!(!metrics(&app).await.contains("logoutd_sensitive_metadata_total{"), "off looks for nothing");
    let setup = app.stop().await;

    let app = setup.with("[metadata]\nsensitive = \"reject\"").start().await;
    let (status, answer) = app.report(&event).await;
    assert_eq!((status, &answer["duplicate"]), (StatusCode::ACCEPTED, &json!(true)));
    assert!(!metrics(&app).await.contains("logoutd_sensitive_metadata_total{"));
    app.stop().await;
}

/// The log of this test's thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn by_default_it_is_taken_counted_and_logged_by_its_key() {
    let log = Log::default();
    let written = log.clone();
    // A test has one thread, and so has all that the service spawns in it.
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || written.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let (app, _rp) = service("").await;
    for sid in ["s-1", "s-2"] {
        assert_eq!(app.report(&created(sid, &json!({"card": CARD}))).await.0, StatusCode::ACCEPTED);
    }
    // A repetition and a refused one are not metadata that was taken.
    let again = created("s-3", &json!({"card": CARD}));
    for _ in 0..3 {
        assert_eq!(app.report(&again).await.0, StatusCode::ACCEPTED);
    }
    let refused = event("session.updated", json!({"sid": "s-9", "session_metadata": {"card": CARD}}));
    assert_eq!(app.report(&refused).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(patch(&app, "s-9", &json!({"ssn": "123-45-6789"})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(patch(&app, "s-2", &json!({"ssn": "123-45-6789"})).await.0, StatusCode::OK);

    let end = event("session.terminated", json!({"sid": "s-1", "initiator": "rp-logout"}));
    assert_eq!(app.outcome(&end, 10).await, [("shop".to_owned(), "delivered".to_owned())]);
    let counted = "logoutd_sensitive_metadata_total{kind=\"payment_card\"} 3";
    assert!(metrics(&app).await.contains(counted));
    app.stop().await;

    let text = log.text();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["level"] == "WARN")
        .collect();
    // The same key and kind once a minute.
    let told: Vec<_> = lines.iter().map(|line| [&line["key"], &line["kind"], &line["source"]]).collect();
    let expected = [
        [json!("card"), json!("payment_card"), json!("https://op.example.com")],
        [json!("ssn"), json!("us_social_security_number"), json!("management API")],
    ];
    assert_eq!(told, expected.each_ref().map(<[Value; 3]>::each_ref));
    assert!(!text.contains("4111") && !text.contains("123-45"), "a value is in the log");
}
