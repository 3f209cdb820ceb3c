//! Bad input: each with its clear error, and nothing half-stored.

use reqwest::StatusCode;
use serde_json::{Map, Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::{TOKEN, ends, event};

/// A service with the client `shop`, whose RP must hear nothing.
async fn service() -> (TestApp, MockServer) {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).expect(0).mount(&rp).await;
    let app = Setup::new().client("shop", &format!("{}/logout", rp.uri()), "").start().await;
    (app, rp)
}

/// Nothing of the session `s-bad` was stored, and the RP heard nothing.
async fn assert_nothing_happened(app: TestApp, rp: MockServer) {
    let probe = event("session.updated", json!({"sid": "s-bad", "session_metadata": {}}));
    let (status, answer) = app.report(&probe).await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("unknown_session")));
    app.stop().await;
    rp.verify().await;
}

#[track_caller]
fn assert_error(got: &(StatusCode, Value), status: u16, code: &str, message: &str) {
    let (got_status, answer) = got;
    assert_eq!(got_status.as_u16(), status, "{answer}");
    assert_eq!(answer["statusCode"], status, "{answer}");
    assert_eq!(answer["error"], StatusCode::from_u16(status).unwrap().canonical_reason().unwrap());
    assert_eq!(answer["errorCode"], code, "{answer}");
    let got_message = answer["message"].as_str().unwrap();
    assert!(got_message.contains(message), "{got_message:?} does not say {message:?}");
}

fn created(more: &Value) -> Value {
    let mut data = json!({"sid": "s-bad", "sub": "alice", "clients": ["shop"]});
    for (key, value) in more.as_object().unwrap() {
        data[key] = value.clone();
    }
    event("session.created", data)
}

#[tokio::test]
async fn events_that_say_nothing_sensible() {
    let (app, rp) = service().await;
    let pairs: Map<String, Value> = (0..26).map(|i| (format!("k{i}"), json!("v"))).collect();
    let too_large =
        "data.session_metadata: Metadata must not exceed 25 entries. Each key and value must be ≤ 255";
    let bad_key = "Metadata keys may only include letters, numbers, underscores, or hyphens";
    let metadata = |entries: Value| created(&json!({"session_metadata": entries}));
    for (event, status, code, message) in [
        (
            event("session.ended", json!({})),
            400,
            "invalid_body",
            "type: `session.ended` is not an event type",
        ),
        (
            event("session.terminated", json!({"sid": "s-bad", "initiator": "boredom", "clients": ["shop"]})),
            400,
            "invalid_body",
            "data.initiator: `boredom` is not an initiator",
        ),
        (
            event("session.terminated", json!({"initiator": "rp-logout", "clients": ["shop"]})),
            400,
            "invalid_body",
            "data: `sid`, `sub` or both must be given",
        ),
        (
            event("session.terminated", json!({"sid": ["s-bad"], "initiator": "rp-logout"})),
            400,
            "invalid_body",
            "data.sid: invalid type: sequence, expected a string",
        ),
        (metadata(Value::Object(pairs)), 400, "invalid_body", too_large),
        (metadata(json!({ "k".repeat(256): "v" })), 400, "invalid_body", too_large),
        (metadata(json!({ "k": "v".repeat(256) })), 400, "invalid_body", too_large),
        (metadata(json!({ "a key": "v" })), 400, "invalid_body", bad_key),
        (
            metadata(json!({ "k": 1 })),
            400,
            "invalid_body",
            "data.session_metadata.k: invalid type: integer `1`",
        ),
        (metadata(json!({ "k": null })), 400, "invalid_body", "data.session_metadata.k: invalid type: null"),
        (
            created(&json!({"session_metadata": {"k": "v"}, "flow": "resource_owner_password"})),
            400,
            "invalid_body",
            "data.session_metadata: only sessions of the browser flow can carry metadata",
        ),
        (created(&json!({"sub": 7})), 400, "invalid_body", "data.sub: invalid type: integer `7`"),
        (
            created(&json!({"expires_at": "tomorrow"})),
            400,
            "invalid_body",
            "data.expires_at: must be an RFC 3339",
        ),
        (created(&json!({"surprise": true})), 400, "invalid_body", "data.surprise: unknown field `surprise`"),
        (
            created(&json!({"clients": ["shop", "nobody"]})),
            422,
            "unknown_client",
            "data.clients: client \"nobody\" is not registered",
        ),
        (
            event("session.terminated", json!({"sid": "s-bad", "initiator": "rp-logout"})),
            422,
            "unknown_session",
            "data.sid: no such session, and no data.clients to tell",
        ),
        (
            event("session.terminated", json!({"sub": "nobody", "initiator": "rp-logout"})),
            422,
            "unknown_session",
            "data.sub: no session of this subject was ever reported",
        ),
        (
            ends("s-bad", &["nobody"]),
            422,
            "unknown_client",
            "data.clients: client \"nobody\" is not registered",
        ),
    ] {
        assert_error(&app.report(&event).await, status, code, message);
    }
    assert_nothing_happened(app, rp).await;
}

#[tokio::test]
async fn bodies_that_are_no_events() {
    let (app, rp) = service().await;
    let post = |content_type: &str, body: String| {
        let url = format!("{}/events", app.server);
        app.send(app.http.post(url).bearer_auth(TOKEN).header("content-type", content_type).body(body))
    };
    let structured = "application/cloudevents+json";
    let good = ends("s-bad", &["shop"]).to_string();

    let malformed = post(structured, good[..good.len() - 1].to_owned()).await;
    assert_error(&malformed, 400, "invalid_body", "the body is not valid JSON: EOF while parsing");
    let list = post(structured, format!("[{good}]")).await;
    assert_error(&list, 400, "invalid_body", "an event must be a JSON object");
    let single = post("application/cloudevents-batch+json", good.clone()).await;
    assert_error(&single, 400, "invalid_body", "the body must be a JSON array of events");
    let text = post("text/plain", good.clone()).await;
    assert_error(&text, 415, "unsupported_media_type", "application/cloudevents+json");

    let padded = |size: usize| format!("{good}{}", " ".repeat(size - good.len()));
    let too_large = post(structured, padded(1024 * 1024 + 1)).await;
    assert_error(&too_large, 413, "body_too_large", "1048576 bytes");
    let many: Vec<_> = (0..1001).map(|_| json!({})).collect();
    let too_many = post("application/cloudevents-batch+json", json!(many).to_string()).await;
    assert_error(&too_many, 400, "invalid_body", "at most 1000 events, and this one has 1001");

    let request = app.http.post(format!("{}/events", app.server)).bearer_auth(TOKEN);
    let no_type = app
        .send(request.header("content-type", "application/json").header("ce-specversion", "1.0").body("{}"))
        .await;
    assert_error(&no_type, 400, "invalid_body", "ce-id: this header is required in binary mode");
    assert_nothing_happened(app, rp).await;
}

#[tokio::test]
async fn one_bad_event_spoils_its_batch_and_is_named() {
    let (app, rp) = service().await;
    let good = || created(&json!({}));
    let misspelt = event("session.terminated", json!({"sid": "s-bad", "initiatr": "rp-logout"}));
    let spoilt = app.report(&json!([good(), good(), misspelt])).await;
    assert_error(&spoilt, 400, "invalid_body", "[2].data.initiatr: unknown field");

    // This one is only found out after the first was stored: that has to be undone.
    let stranger = ends("s-bad", &["nobody"]);
    let spoilt = app.report(&json!([good(), stranger])).await;
    assert_error(&spoilt, 422, "unknown_client", "[1].data.clients: client \"nobody\" is not registered");
    assert_nothing_happened(app, rp).await;
}

/// What a refused batch had made is taken back before the next request of the same transaction is looked at:
/// its deliveries, its sessions, its ids, and what a later end of the same user would join.
#[tokio::test]
async fn a_refused_batch_sends_nothing_and_leaves_nothing_behind() {
    const USERS: usize = 40;
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let app = Setup::new()
        .client("shop", &format!("{}/shop", rp.uri()), "")
        .client("wiki", &format!("{}/wiki", rp.uri()), "subject_logout = \"sub\"")
        .start()
        .await;

    // The first event of each makes a delivery at once, the others a session and a delivery about the user.
    let good = |n: usize| {
        let (sid, sub) = (format!("s-{n}"), format!("user-{n}"));
        let direct = json!({"sid": format!("direct-{n}"), "initiator": "rp-logout", "clients": ["shop"]});
        [
            event("session.terminated", direct),
            event("session.created", json!({"sid": sid, "sub": sub, "clients": ["wiki"]})),
            event("session.terminated", json!({"sub": sub, "initiator": "rp-logout"})),
        ]
    };
    let stranger = || ends("s-bad", &["nobody"]);
    let spoilt = |good: &[Value; 3]| json!([good[0], good[1], good[2], stranger()]);

    let alone = good(0);
    let refused = app.report(&spoilt(&alone)).await;
    assert_error(&refused, 422, "unknown_client", "[3].data.clients: client \"nobody\" is not registered");
    assert_eq!(app.get("/deliveries").await.1["deliveries"], json!([]));
    assert_eq!(app.get("/sessions/s-0").await.0, StatusCode::NOT_FOUND);
    let unknown = event("session.terminated", json!({"sub": "user-0", "initiator": "rp-logout"}));
    assert_error(&app.report(&unknown).await, 422, "unknown_session", "no session of this subject");
    // One that is delivered after it, to the same RP: what had come from the batch would have come before.
    assert_eq!(app.outcome(&ends("later", &["shop"]), 10).await[0].1, "delivered");
    assert_eq!(rp.received_requests().await.unwrap().len(), 1, "only the later one's");

    // The same events without the bad one, at the same time: some share its transaction.
    let users: Vec<_> = (1..USERS).map(good).collect();
    let (app, spoilt) = (&app, &spoilt);
    let requests = users.iter().map(async |good| {
        let (spoilt, good) = (spoilt(good), json!(good));
        futures_util::future::join(app.report(&spoilt), app.report_and_wait(&good, 10)).await
    });
    for (refused, accepted) in futures_util::future::join_all(requests).await {
        assert_error(&refused, 422, "unknown_client", "[3].data.clients");
        let (status, answers) = accepted;
        assert_eq!(status, StatusCode::OK, "{answers}");
        for (n, answer) in answers.as_array().unwrap().iter().enumerate() {
            assert_eq!(answer["duplicate"], false, "{answers}");
            let delivered = answer["deliveries"].as_array().unwrap();
            assert_eq!(delivered.len(), usize::from(n != 1), "{answers}");
            assert!(delivered.iter().all(|it| it["state"] == "delivered"), "{answers}");
        }
    }
    assert_eq!(app.get("/deliveries?state=pending").await.1["deliveries"], json!([]));
    assert_eq!(rp.received_requests().await.unwrap().len(), 1 + 2 * (USERS - 1));
}

#[tokio::test]
async fn only_bearers_of_the_token_are_heard() {
    let (app, rp) = service().await;
    let url = format!("{}/events", app.server);
    let request = || {
        app.http
            .post(&url)
            .header("content-type", "application/cloudevents+json")
            .body(ends("s-bad", &["shop"]).to_string())
    };
    let response = request().send().await.unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"logoutd\"");
    assert_error(&app.send(request()).await, 401, "missing_token", "Authorization: Bearer");
    for wrong in ["wrong".to_owned(), String::new(), format!("{TOKEN}x"), TOKEN[1..].to_owned()] {
        let refused = app.send(request().bearer_auth(&wrong)).await;
        assert_error(&refused, 401, "invalid_token", "not valid");
    }
    let basic = app.send(request().basic_auth("user", Some(TOKEN))).await;
    assert_error(&basic, 401, "invalid_token", "not valid");
    assert_nothing_happened(app, rp).await;
}
