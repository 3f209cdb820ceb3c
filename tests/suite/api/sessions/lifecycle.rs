//! Sessions through the management API, and their ends by time.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::validator::validate;
use crate::support::{ISSUER, TOKEN, event, eventually};

async fn rp() -> MockServer {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    rp
}

async fn session(app: &TestApp, sid: &str) -> (StatusCode, Value) {
    app.api(Method::GET, &format!("/sessions/{sid}"), None).await
}

async fn begin(app: &TestApp, data: Value) {
    let (status, answer) = app.report(&event("session.created", data)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
}

/// The one delivery of a session, when it is final.
async fn delivered(app: &TestApp, sid: &str) -> Value {
    eventually(async || {
        let (_, page) = app.api(Method::GET, &format!("/deliveries?sid={sid}"), None).await;
        let delivery = page["deliveries"].as_array().unwrap().first().cloned()?;
        (delivery["state"] == "delivered").then_some(delivery)
    })
    .await
}

#[tokio::test]
async fn a_session_is_read_in_auth0s_shape_and_its_metadata_reaches_the_token() {
    let rp = rp().await;
    let app =
        Setup::new().client("shop", &rp.uri(), "initiators = \"all\"\nsession_metadata = true").start().await;
    begin(
        &app,
        json!({"sid": "s 1", "sub": "auth0|alice", "clients": ["shop"], "authenticated_at": "2026-01-01T00:00:00Z",
               "expires_at": "2999-01-01T00:00:00Z", "idle_expires_at": "2998-01-01T00:00:00Z"}),
    )
    .await;

    let (status, read) = session(&app, "s%201").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(read["id"], "s 1");
    assert_eq!(read["user_id"], "auth0|alice");
    assert_eq!(read["clients"], json!([{"client_id": "shop"}]));
    assert_eq!(read["session_metadata"], json!({}));
    assert_eq!(read["authenticated_at"], "2026-01-01T00:00:00.000Z");
    assert_eq!(read["expires_at"], "2999-01-01T00:00:00.000Z");
    assert_eq!(read["idle_expires_at"], "2998-01-01T00:00:00.000Z");

    let metadata = json!({"org_id": "org_abc123", "org_slug": "acme", "org_name": "Acme Inc."});
    let (status, updated) =
        app.api(Method::PATCH, "/sessions/s%201", Some(json!({"session_metadata": metadata}))).await;
    assert_eq!(status, StatusCode::OK, "{updated}");
    assert_eq!(updated["session_metadata"], metadata);
    assert_eq!(
        session(&app, "s%201").await.1,
        updated,
        "what a change is answered with is what is read afterwards"
    );
    let at = |session: &Value| session["updated_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(at(&updated) >= at(&read));

    let (status, ended) = app.api(Method::DELETE, "/sessions/s%201", None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(ended["sessions"], json!(["s 1"]));
    assert_eq!(ended["deliveries"].as_array().unwrap().len(), 1);
    let delivery = delivered(&app, "s%201").await;
    assert_eq!(delivery["initiator"], "session-revoked");

    let jwks = app.jwks().await;
    let token = validate(&rp.received_requests().await.unwrap()[0].body, ISSUER, "shop", &jwks);
    assert_eq!(token.claims["session_metadata"], metadata);

    // It is gone, and to end it once more does no harm.
    let (status, error) = session(&app, "s%201").await;
    assert_eq!((status, error["errorCode"].as_str()), (StatusCode::NOT_FOUND, Some("inexistent_session")));
    let patch = Some(json!({"session_metadata": {}}));
    assert_eq!(app.api(Method::PATCH, "/sessions/s%201", patch).await.0, StatusCode::NOT_FOUND);
    for (method, path) in [(Method::DELETE, "/sessions/s%201"), (Method::POST, "/sessions/s%201/revoke")] {
        let (status, again) = app.api(method, path, None).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_eq!(again["deliveries"][0]["id"], ended["deliveries"][0]["id"]);
    }
    assert_eq!(rp.received_requests().await.unwrap().len(), 1);
    app.stop().await;
}

#[tokio::test]
async fn what_never_was_a_session_is_not_found() {
    let app = Setup::new().start().await;
    for (method, path) in [
        (Method::GET, "/sessions/none"),
        (Method::DELETE, "/sessions/none"),
        (Method::POST, "/sessions/none/revoke"),
        (Method::GET, "/sessions/%01"),
    ] {
        let (status, error) = app.api(method, path, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(error["errorCode"], "inexistent_session");
    }
    app.stop().await;
}

#[tokio::test]
async fn metadata_is_refused_with_auth0s_words_and_nothing_changes() {
    let app = Setup::new().start().await;
    begin(&app, json!({"sid": "s-1", "sub": "alice", "session_metadata": {"k": "v"}})).await;
    begin(&app, json!({"sid": "s-2", "sub": "alice", "flow": "native_passkey"})).await;
    let many: serde_json::Map<_, _> = (0..26).map(|n| (format!("k{n}"), json!("v"))).collect();
    let too_large = "Metadata must not exceed 25 entries. Each key and value must be ≤ 255 characters.";
    let key = "Metadata keys may only include letters, numbers, underscores, or hyphens";
    for (sid, body, message) in [
        ("s-1", json!({"session_metadata": many}), too_large),
        ("s-1", json!({"session_metadata": {"k": "v".repeat(256)}}), too_large),
        ("s-1", json!({"session_metadata": {"a key": "v"}}), key),
        (
            "s-1",
            json!({"session_metadata": {"k": 1}}),
            "session_metadata.k: invalid type: integer `1`, expected a string",
        ),
        ("s-1", json!({"session_metadata": "v"}), "session_metadata: invalid type"),
        ("s-1", json!({}), "session_metadata: this member is required"),
        ("s-1", json!({"metadata": {}}), "metadata: unknown field `metadata`, expected `session_metadata`"),
        ("s-1", json!([]), "the body must be a JSON object"),
        (
            "s-2",
            json!({"session_metadata": {"k": "v"}}),
            "session_metadata: only sessions of the browser flow",
        ),
    ] {
        let (status, error) = app.api(Method::PATCH, &format!("/sessions/{sid}"), Some(body.clone())).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {error}");
        assert!(error["message"].as_str().unwrap().starts_with(message), "{body}: {error}");
    }
    assert_eq!(session(&app, "s-1").await.1["session_metadata"], json!({"k": "v"}));
    for nothing in [json!({}), Value::Null] {
        let (status, updated) =
            app.api(Method::PATCH, "/sessions/s-1", Some(json!({"session_metadata": nothing}))).await;
        assert_eq!((status, &updated["session_metadata"]), (StatusCode::OK, &json!({})));
    }
    app.stop().await;
}

#[tokio::test]
async fn of_two_writers_who_read_the_same_one_is_told_that_it_came_second() {
    let app = Setup::new()
        .client("shop", "https://rp.example.com/", "")
        .client("wiki", "https://rp.example.com/", "")
        .start()
        .await;
    begin(&app, json!({"sid": "s-1", "sub": "alice", "clients": ["shop"]})).await;
    let url = format!("{}/api/v2/sessions/s-1", app.management);
    let read = app.http.get(&url).bearer_auth(TOKEN).send().await.unwrap();
    let etag = read.headers()["etag"].to_str().unwrap().to_owned();
    let write = async |value: &str, etag: &str| {
        let body = json!({"session_metadata": {"by": value}});
        let request = app.http.patch(&url).bearer_auth(TOKEN).header("if-match", etag).json(&body);
        app.send(request).await
    };
    let (first, second) = tokio::join!(write("first", &etag), write("second", &etag));
    let mut statuses = [first.0, second.0];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::PRECONDITION_FAILED]);
    let winner = if first.0 == StatusCode::OK { &first.1 } else { &second.1 };
    assert_eq!(session(&app, "s-1").await.1["session_metadata"], winner["session_metadata"]);
    assert_eq!(write("third", "*").await.0, StatusCode::OK);

    // A change of another kind at the same time is not lost, nor does it lose this one.
    let added = event("session.client_added", json!({"sid": "s-1", "client_id": "wiki"}));
    let patched = async {
        app.api(Method::PATCH, "/sessions/s-1", Some(json!({"session_metadata": {"k": "v"}}))).await
    };
    let (patched, added) = tokio::join!(patched, app.report(&added));
    assert_eq!((patched.0, added.0), (StatusCode::OK, StatusCode::ACCEPTED));
    let (_, read) = session(&app, "s-1").await;
    assert_eq!(read["session_metadata"], json!({"k": "v"}));
    assert_eq!(read["clients"], json!([{"client_id": "shop"}, {"client_id": "wiki"}]));
    app.stop().await;
}

#[tokio::test]
async fn if_match_is_read_as_rfc_9110_has_it() {
    let app = Setup::new().start().await;
    begin(&app, json!({"sid": "s-1", "sub": "alice"})).await;
    let url = format!("{}/api/v2/sessions/s-1", app.management);
    let read = app.http.get(&url).bearer_auth(TOKEN).send().await.unwrap();
    // A proxy that compresses an answer makes its tag weak, which then matches nothing: it is asked not to.
    assert_eq!(read.headers()["cache-control"], "no-transform");
    let mut tag = read.headers()["etag"].to_str().unwrap().to_owned();
    let write = async |values: &[&str]| {
        let body = json!({"session_metadata": {}});
        let request = app.http.patch(&url).bearer_auth(TOKEN).json(&body);
        let request = values.iter().fold(request, |request, value| request.header("if-match", *value));
        let response = request.send().await.unwrap();
        let tag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        (response.status().as_u16(), tag, response.json::<Value>().await.unwrap())
    };
    for others in ["{}", "\"x\", {}", "{} , \"a,b\"", "W/\"1\",,{},", "  {}  ", "\"\",{}", "*"] {
        let value = others.replace("{}", &tag);
        let (status, next, answer) = write(&[&value]).await;
        assert_eq!(status, 200, "{value}: {answer}");
        tag = next.unwrap();
    }
    let (status, next, _) = write(&["\"x\"", &tag]).await;
    assert_eq!(status, 200, "in two lines");
    tag = next.unwrap();

    let weak = format!("W/{tag}");
    let listed = format!("\"x\", {weak}");
    for value in
        [weak.as_str(), &listed, "\"x\"", "\"0\"", "\"\"", "\"a,b\", \"c\"", "\"99999999999999999999\""]
    {
        let (status, _, answer) = write(&[value]).await;
        assert_eq!((status, &answer["errorCode"]), (412, &json!("revision_mismatch")), "{value}: {answer}");
        let says_why = answer["message"].as_str().unwrap().contains("a weak tag (W/) never matches");
        assert_eq!(says_why, value.contains("W/"), "{value}: {answer}");
    }
    let bare = tag.trim_matches('"').to_owned();
    for value in
        [bare.as_str(), "", ",", "\"1", "1\"", "w/\"1\"", "*, \"1\"", "\"1\" \"2\"", "W/*", "\"a b\""]
    {
        let (status, _, answer) = write(&[value]).await;
        assert_eq!((status, &answer["errorCode"]), (400, &json!("invalid_header")), "{value}: {answer}");
        assert!(answer["message"].as_str().unwrap().starts_with("If-Match: must be"), "{value}: {answer}");
    }

    // It holds for what ends a session, too.
    let end = async |value: &str| {
        app.send(app.http.delete(&url).bearer_auth(TOKEN).header("if-match", value)).await
    };
    assert_eq!(end("\"0\"").await.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(end(&bare).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(session(&app, "s-1").await.0, StatusCode::OK);
    assert_eq!(end(&tag).await.0, StatusCode::ACCEPTED);
    app.stop().await;
}

#[tokio::test]
async fn a_users_sessions_are_listed_page_by_page_and_ended_together() {
    let rp = rp().await;
    let app = Setup::new().client("shop", &rp.uri(), "initiators = \"all\"").start().await;
    for n in 0..5 {
        begin(&app, json!({"sid": format!("s-{n}"), "sub": "auth0|alice", "clients": ["shop"]})).await;
    }
    begin(&app, json!({"sid": "other", "sub": "bob", "clients": ["shop"]})).await;

    let (mut ids, mut from, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let path = format!("/users/auth0%7Calice/sessions?include_totals=true&take=2{from}");
        let (status, page) = app.api(Method::GET, &path, None).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        ids.extend(
            page["sessions"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        from = format!("&from={next}");
    }
    assert_eq!(ids, ["s-0", "s-1", "s-2", "s-3", "s-4"]);
    assert_eq!(pages, 3);

    let (status, ended) = app.api(Method::DELETE, "/users/auth0%7Calice/sessions", None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(ended["sessions"].as_array().unwrap().len(), 5);
    let (_, page) = app.api(Method::GET, "/users/auth0%7Calice/sessions", None).await;
    assert_eq!(page, json!({"sessions": []}));
    assert_eq!(session(&app, "other").await.0, StatusCode::OK);
    for sid in ids {
        assert_eq!(delivered(&app, &sid).await["initiator"], "session-revoked");
    }
    // A user without sessions is logged out.
    let (status, ended) = app.api(Method::DELETE, "/users/nobody/sessions", None).await;
    assert_eq!((status, ended), (StatusCode::ACCEPTED, json!({"sessions": [], "deliveries": []})));
    app.stop().await;
}

#[tokio::test]
async fn a_session_ends_by_its_idle_or_absolute_lifetime_and_once_only() {
    let rp = rp().await;
    let app = Setup::new()
        .with("[sessions]\nidle_lifetime = \"1h\"\nabsolute_lifetime = \"2s\"")
        .client("shop", &rp.uri(), "initiators = [\"session-expired\"]")
        .start()
        .await;
    // By the configuration; by what the OP says, which wins; and one that is prolonged in time.
    begin(&app, json!({"sid": "configured", "sub": "a", "clients": ["shop"]})).await;
    begin(
        &app,
        json!({"sid": "past", "sub": "b", "clients": ["shop"], "expires_at": "2026-01-01T00:00:00Z"}),
    )
    .await;
    let idle = json!({"sid": "idle", "sub": "c", "clients": ["shop"], "expires_at": "2999-01-01T00:00:00Z",
                      "idle_expires_at": "2026-01-01T00:00:00Z"});
    begin(&app, idle).await;
    begin(
        &app,
        json!({"sid": "kept", "sub": "d", "clients": ["shop"], "expires_at": "2999-01-01T00:00:00Z"}),
    )
    .await;

    for sid in ["past", "idle", "configured"] {
        assert_eq!(delivered(&app, sid).await["initiator"], "session-expired", "{sid}");
        assert_eq!(session(&app, sid).await.0, StatusCode::NOT_FOUND);
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(rp.received_requests().await.unwrap().len(), 3);
    assert_eq!(session(&app, "kept").await.0, StatusCode::OK);
    app.stop().await;
}
