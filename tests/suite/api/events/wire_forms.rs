//! What a body or a header says is said once, and is read as its specification has it.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use crate::support::TOKEN;
use crate::support::app::{Setup, TestApp};

const SHOP: &str = "http://127.0.0.1:9/logout";

async fn service() -> TestApp {
    Setup::new().client("shop", SHOP, "").client("blog", SHOP, "").start().await
}

fn post(app: &TestApp, media_type: &str, body: String) -> RequestBuilder {
    let request = app.http.post(format!("{}/events", app.server)).bearer_auth(TOKEN);
    request.header("content-type", media_type).body(body)
}

/// The message of a 400.
async fn refused(app: &TestApp, request: RequestBuilder) -> String {
    let (status, answer) = app.send(request).await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::BAD_REQUEST, &json!("invalid_body")), "{answer}");
    answer["message"].as_str().unwrap().to_owned()
}

/// An event as text, so that its members can be anything.
fn envelope(members: &str) -> String {
    format!(
        r#"{{"specversion": "1.0", "source": "https://op.example.com", "type": "session.terminated", {members}}}"#
    )
}

fn terminated(data: &str) -> String {
    envelope(&format!(r#""id": "evt-1", "data": {{"sid": "s-1", "initiator": "rp-logout", {data}}}"#))
}

async fn nothing_was_stored(app: &TestApp) {
    let known = app.get("/sessions/s-1").await;
    assert_eq!(known.0, StatusCode::NOT_FOUND, "{}", known.1);
    // The id is still free.
    let event = post(app, "application/json", terminated(r#""clients": ["shop"]"#));
    let (status, answer) = app.send(event).await;
    assert_eq!((status, &answer["duplicate"]), (StatusCode::ACCEPTED, &json!(false)), "{answer}");
}

#[tokio::test]
async fn a_member_given_twice_is_named() {
    let app = service().await;
    let data = terminated;
    for (event, path) in [
        (data(r#""sid": "s-2", "clients": ["shop"]"#), "data.sid"),
        (data(r#""clients": ["shop"], "clients": []"#), "data.clients"),
        (data(r#""clients": ["shop"], "cl\u0069ents": ["shop"]"#), "data.clients"),
        (data(r#""clients": ["shop"], "initiator": "rp-logout""#), "data.initiator"),
        (
            data(r#""clients": ["shop"], "exclude_clients": [], "exclude_clients": ["shop"]"#),
            "data.exclude_clients",
        ),
        (
            data(r#""clients": ["shop"], "session_metadata": {"a": "1", "b": "2", "a": "1"}"#),
            "data.session_metadata.a",
        ),
        (
            data(r#""clients": ["blog", {"client_id": "shop", "sub": "p", "sub": "q"}]"#),
            "data.clients[1].sub",
        ),
        (envelope(r#""id": "evt-1", "id": "evt-2", "data": {}"#), "id"),
        (envelope(r#""id": "evt-1", "data": {}, "data": {}"#), "data"),
        (envelope(r#""id": "evt-1", "ext": 1, "data": {}, "ext": 1"#), "ext"),
        (envelope(r#""id": "evt-1", "ext": [[], {"a": {"b": 1, "b": 1}}], "data": {}"#), "ext[1].a.b"),
    ] {
        let said = refused(&app, post(&app, "application/cloudevents+json", event.clone())).await;
        assert_eq!(said, format!("{path}: this member is given twice"), "{event}");

        let good = envelope(
            r#""id": "evt-0", "data": {"sid": "s-1", "initiator": "rp-logout", "clients": ["shop"]}"#,
        );
        let batch = post(&app, "application/cloudevents-batch+json", format!("[{good}, {event}]"));
        assert_eq!(refused(&app, batch).await, format!("[1].{path}: this member is given twice"), "{event}");
    }
    let binary = post(
        &app,
        "application/json",
        r#"{"sid": "s-1", "sid": "s-2", "initiator": "rp-logout"}"#.to_owned(),
    )
    .headers(binary_headers());
    assert_eq!(refused(&app, binary).await, "data.sid: this member is given twice");
    nothing_was_stored(&app).await;
    app.stop().await;
}

#[tokio::test]
async fn a_client_named_twice_is_named() {
    let app = service().await;
    for (data, message) in [
        (
            r#""clients": [{"client_id": "shop", "sub": "p-1"}, "blog", {"client_id": "shop", "sub": "p-2"}]"#,
            "data.clients[2]: client \"shop\" is in this list already, with another `sub`",
        ),
        (r#""clients": [{"client_id": "shop", "sub": "p-1"}, "shop"]"#, "data.clients[1]: client \"shop\""),
        (r#""clients": ["shop", {"client_id": "shop", "sub": "p-1"}]"#, "data.clients[1]: client \"shop\""),
    ] {
        let said = refused(&app, post(&app, "application/cloudevents+json", terminated(data))).await;
        assert!(said.starts_with(message), "{said:?} does not say {message:?}");
    }
    nothing_was_stored(&app).await;
    // What says the same twice says nothing else.
    let twice =
        r#""clients": ["shop", {"client_id": "shop", "sub": null}], "exclude_clients": ["blog", "blog"]"#;
    let (status, answer) = app
        .send(post(
            &app,
            "application/json",
            terminated(twice).replace("s-1", "s-2").replace("evt-1", "evt-2"),
        ))
        .await;
    assert_eq!(
        (status, answer["deliveries"].as_array().unwrap().len()),
        (StatusCode::ACCEPTED, 1),
        "{answer}"
    );
    app.stop().await;
}

/// Every body of the management API.
#[tokio::test]
async fn a_member_of_any_body_given_twice_is_named() {
    let app = service().await;
    let created = r#"{"specversion": "1.0", "id": "c", "source": "x", "type": "session.created",
                      "data": {"sid": "s-9", "sub": "alice"}}"#;
    assert_eq!(app.send(post(&app, "application/json", created.to_owned())).await.0, StatusCode::ACCEPTED);
    let client = r#"{"client_id": "wiki", "backchannel_logout_uri": "http://127.0.0.1:9/",
                      "id_token_signed_response_alg": "ES256"}"#;
    let ask = |method: Method, path: &str, body: &str| {
        let request = app.http.request(method, format!("{}/api/v2{path}", app.management)).bearer_auth(TOKEN);
        request.header("content-type", "application/json").body(body.to_owned())
    };
    assert_eq!(app.send(ask(Method::POST, "/clients", client)).await.0, StatusCode::CREATED);
    for (method, path, body, member) in [
        (
            Method::PATCH,
            "/sessions/s-9",
            r#"{"session_metadata": {}, "session_metadata": {"a": "b"}}"#,
            "session_metadata",
        ),
        (
            Method::PATCH,
            "/sessions/s-9",
            r#"{"session_metadata": {"a": "b", "c": "d", "a": "e"}}"#,
            "session_metadata.a",
        ),
        (Method::POST, "/clients", r#"{"client_id": "new", "client_id": "newer"}"#, "client_id"),
        (
            Method::POST,
            "/clients",
            r#"{"client_id": "new", "client_metadata": {"a": "1", "a": "2"}}"#,
            "client_metadata.a",
        ),
        (
            Method::PATCH,
            "/clients/wiki",
            r#"{"client_name": "a", "name": "b", "client_name": "c"}"#,
            "client_name",
        ),
        (
            Method::PATCH,
            "/clients/wiki",
            r#"{"oidc_logout": {"backchannel_logout_initiators": {"mode": "all", "mode": "custom"}}}"#,
            "oidc_logout.backchannel_logout_initiators.mode",
        ),
        (Method::POST, "/deliveries/redeliver", r#"{"client_id": "shop", "client_id": "wiki"}"#, "client_id"),
        (Method::POST, "/keys/signing/rotate", r#"{"alg": "ES256", "alg": "ES256"}"#, "alg"),
    ] {
        let said = refused(&app, ask(method, path, body)).await;
        assert_eq!(said, format!("{member}: this member is given twice"), "{path} {body}");
    }
    let (_, session) = app.get("/sessions/s-9").await;
    assert_eq!(session["session_metadata"], json!({}), "{session}");
    app.stop().await;
}

fn binary_headers() -> reqwest::header::HeaderMap {
    let mut headers = reqwest::header::HeaderMap::new();
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", "b-1"),
        ("ce-source", "https://op.example.com"),
        ("ce-type", "session.created"),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    headers
}

/// A binary event with these headers instead of, or beside, the usual ones.
fn binary(app: &TestApp, headers: &[(&'static str, &[u8])]) -> RequestBuilder {
    let mut all = binary_headers();
    for (name, _) in headers {
        all.remove(*name);
    }
    for (name, value) in headers {
        all.append(*name, reqwest::header::HeaderValue::from_bytes(value).unwrap());
    }
    post(app, "application/json", json!({"sid": "s-1", "sub": "alice"}).to_string()).headers(all)
}

/// The HTTP binding, section 3.1.3.2: quotes and backslashes first, then one round of percent-decoding.
#[tokio::test]
async fn quoted_headers_are_unescaped() {
    let app = service().await;
    for (n, (sent, meant)) in [
        (r#""quoted""#, "quoted"),
        (r#""with space""#, "with space"),
        (r#""a \"word\" and a \\""#, r#"a "word" and a \"#),
        (r#""%22once%2522\%20""#, r#""once%22 "#),
        ("plain%20one", "plain one"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
    ]
    .into_iter()
    .enumerate()
    {
        let quoted_type: &[u8] = if n % 2 == 0 { b"\"session.created\"" } else { b"session.created" };
        let headers: [(&str, &[u8]); 3] =
            [("ce-id", sent.as_bytes()), ("ce-type", quoted_type), ("ce-time", b"\"2026-01-02T03:04:05Z\"")];
        let (status, answer) = app.send(binary(&app, &headers)).await;
        assert_eq!((status, &answer["id"]), (StatusCode::ACCEPTED, &json!(meant)), "{sent} {answer}");
    }
    app.stop().await;
}

#[tokio::test]
async fn headers_that_cannot_be_read_are_named() {
    let app = service().await;
    let cases: &[(&'static str, &[&[u8]], &str)] = &[
        ("ce-time", &[b"2026-01-02T03:04:05\xc3\x9f"], "ce-time: must be ASCII"),
        ("ce-time", &[b"tomorrow"], "ce-time: must be an RFC 3339 time"),
        ("ce-time", &[b""], "ce-time: must be an RFC 3339 time"),
        ("ce-id", &[b"\xe4"], "ce-id: must be ASCII"),
        ("ce-id", &[b"%e4"], "ce-id: must be percent-encoded UTF-8"),
        ("ce-source", &[b"\"open"], "ce-source: a quoted value must end with its closing quote"),
        ("ce-source", &[b"\"open\\\""], "ce-source: a quoted value must end with its closing quote"),
        ("ce-source", &[b"\"a\" b"], "ce-source: a quoted value must end with its closing quote"),
        ("ce-source", &[b"a\"b\""], "ce-source: a double quote must be percent-encoded"),
        ("ce-type", &[b"session.created", b"session.created"], "ce-type: this header is given twice"),
        // Extensions mean nothing here, and cannot be relied on by anybody if they are broken.
        ("ce-traceparent", &[b"\xff"], "ce-traceparent: must be ASCII"),
        ("ce-traceparent", &[b"a", b"b"], "ce-traceparent: this header is given twice"),
    ];
    for (name, values, message) in cases {
        let headers: Vec<_> = values.iter().map(|value| (*name, *value)).collect();
        let said = refused(&app, binary(&app, &headers)).await;
        assert!(said.starts_with(message), "{said:?} does not say {message:?}");
    }
    let (status, _) = app.get("/sessions/s-1").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "nothing was stored");
    app.stop().await;
}
