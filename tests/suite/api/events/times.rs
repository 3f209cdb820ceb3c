//! Times that come in: every one that RFC 3339 has is taken, and none that is taken stops anything.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp, states};
use crate::support::{event, eventually};

async fn start() -> (MockServer, TestApp) {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let app = Setup::new().client("shop", &rp.uri(), "initiators = \"all\"").start().await;
    (rp, app)
}

fn created(sid: &str, more: &Value) -> Value {
    let mut data = json!({"sid": sid, "sub": "alice", "clients": ["shop"]});
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event("session.created", data)
}

/// When a member of a session says it is.
async fn read(app: &TestApp, sid: &str, member: &str) -> jiff::Timestamp {
    let (status, session) = app.get(&format!("/sessions/{sid}")).await;
    assert_eq!(status, StatusCode::OK, "{session}");
    session[member].as_str().unwrap().parse().unwrap()
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

const LAST: &str = "9999-12-30T22:00:00Z";

/// What RFC 3339 allows, and what it is read back as.
const TAKEN: [(&str, &str); 12] = [
    ("2999-01-02T03:04:05Z", "2999-01-02T03:04:05Z"),
    ("2999-01-02t03:04:05.5z", "2999-01-02T03:04:05.5Z"),
    ("2999-01-02T03:04:05.1234567891Z", "2999-01-02T03:04:05.123Z"),
    ("2999-01-02T03:04:05.1234567890123456789+23:59", "2999-01-01T03:05:05.123Z"),
    ("2999-01-02T03:04:05-00:00", "2999-01-02T03:04:05Z"),
    ("2999-12-31T23:59:60Z", "2999-12-31T23:59:59.999Z"),
    ("2999-12-31T15:59:60.25-08:00", "2999-12-31T23:59:59.999Z"),
    ("9999-12-30T22:00:00.5Z", LAST),
    ("9999-12-31T23:59:59Z", LAST),
    ("9999-12-31T23:59:59.9999999999Z", LAST),
    ("9999-12-31T23:59:59-12:00", LAST),
    ("9999-12-31T23:59:60Z", LAST),
];

#[tokio::test]
async fn every_time_of_rfc_3339_is_taken_and_read_back() {
    let (_rp, app) = start().await;
    for (number, (text, expected)) in TAKEN.into_iter().enumerate() {
        for member in ["authenticated_at", "expires_at", "idle_expires_at"] {
            let sid = format!("{member}-{number}");
            let (status, answer) = app.report(&created(&sid, &json!({member: text}))).await;
            assert_eq!(status, StatusCode::ACCEPTED, "{member} {text}: {answer}");
            assert_eq!(read(&app, &sid, member).await, expected.parse().unwrap(), "{member} {text}");
        }
        // The time of the event itself.
        let mut timed = created(&format!("time-{number}"), &json!({}));
        timed["time"] = json!(text);
        let (status, answer) = app.report(&timed).await;
        assert_eq!(status, StatusCode::ACCEPTED, "time {text}: {answer}");
        read(&app, &format!("time-{number}"), "created_at").await;

        let filter = encoded(text);
        for name in ["created_after", "created_before"] {
            let (status, answer) = app.get(&format!("/deliveries?{name}={filter}")).await;
            assert_eq!(status, StatusCode::OK, "{name}={text}: {answer}");
            let wanted = Some(json!({"client_id": "shop", name: text}));
            let (status, answer) = app.api(Method::POST, "/deliveries/redeliver", wanted).await;
            assert_eq!(status, StatusCode::ACCEPTED, "{name} {text}: {answer}");
        }
    }
    // The first ones are long past: such a session ends at once.
    let (status, answer) =
        app.report(&created("first", &json!({"authenticated_at": "0000-01-01T00:00:00+23:59"}))).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    assert_eq!(read(&app, "first", "authenticated_at").await, "0000-01-01T00:00:00Z".parse().unwrap());

    let (status, _) = app.get("/users/alice/sessions").await;
    assert_eq!(status, StatusCode::OK);
    for day in ["9999-12-31", "9999-12-31T23:59:59Z"] {
        let q = encoded(&format!("date:[2020-01-01 TO {day}]"));
        let (status, answer) = app.get(&format!("/logs?q={q}")).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_time_at_the_end_of_all_times_stops_neither_its_user_nor_anybody_else() {
    let (rp, app) = start().await;
    let beyond =
        json!({"authenticated_at": "9999-12-30T22:00:00.5Z", "expires_at": "9999-12-31T23:59:59.999Z"});
    let (status, answer) = app.report(&created("px", &beyond)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    // It outlives a restart, and others expire beside it.
    let app = app.stop().await.start().await;
    let (status, answer) =
        app.report(&created("other", &json!({"expires_at": "2020-01-01T00:00:00Z"}))).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    eventually(async || (rp.received_requests().await.unwrap().len() == 1).then_some(())).await;

    let end = event("session.terminated", json!({"sub": "alice", "initiator": "idp-logout"}));
    let (status, answer) = app.report_and_wait(&end, 10).await;
    assert_eq!((status, &answer["sessions"]), (StatusCode::OK, &json!(["px"])), "{answer}");
    assert_eq!(states(&answer), [("shop".to_owned(), "delivered".to_owned())]);
    app.stop().await;
}

#[tokio::test]
async fn what_is_no_time_is_refused_by_the_name_of_its_member() {
    let (_rp, app) = start().await;
    for text in [
        "",
        "now",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:60Z",
        "2026-02-29T00:00:00Z",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05Z[UTC]",
        "10000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
    ] {
        for member in ["authenticated_at", "expires_at", "idle_expires_at"] {
            let (status, answer) = app.report(&created("s-1", &json!({member: text}))).await;
            assert_eq!(
                (status, &answer["errorCode"]),
                (StatusCode::BAD_REQUEST, &json!("invalid_body")),
                "{text}"
            );
            let expected = format!("data.{member}: must be an RFC 3339 time");
            assert!(answer["message"].as_str().unwrap().starts_with(&expected), "{text}: {answer}");
        }
        let mut timed = created("s-1", &json!({}));
        timed["time"] = json!(text);
        let (status, answer) = app.report(&timed).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
        assert!(
            answer["message"].as_str().unwrap().starts_with("time: must be an RFC 3339 time"),
            "{answer}"
        );
        let (status, answer) = app.get(&format!("/deliveries?created_after={}", encoded(text))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
        assert!(answer["message"].as_str().unwrap().starts_with("created_after: must be"), "{answer}");
    }
    app.stop().await;
}
