//! `POST /api/v2/users/{id}/revoke-access`, as Auth0 has it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::app::{Setup, TestApp};
use crate::support::event;

const OF_ALICE: &str = "/users/auth0%7Calice/revoke-access";

async fn with_sessions() -> TestApp {
    let app = Setup::new().client("shop", "https://rp.example.com/", "initiators = \"all\"").start().await;
    for (sid, sub) in [("s-1", "auth0|alice"), ("s-2", "auth0|alice"), ("s-3", "bob")] {
        let created = event("session.created", json!({"sid": sid, "sub": sub, "clients": ["shop"]}));
        assert_eq!(app.report(&created).await.0, StatusCode::ACCEPTED);
    }
    app
}

/// Which of the three sessions live.
async fn live(app: &TestApp) -> Vec<&'static str> {
    let mut live = Vec::new();
    for sid in ["s-1", "s-2", "s-3"] {
        if app.get(&format!("/sessions/{sid}")).await.0 == StatusCode::OK {
            live.push(sid);
        }
    }
    live
}

#[tokio::test]
async fn every_session_of_the_user_ends_or_the_one_that_is_named() {
    let app = with_sessions().await;
    let one = json!({"session_id": "s-1", "preserve_refresh_tokens": true});
    let (status, ended) = app.api(Method::POST, OF_ALICE, Some(one.clone())).await;
    assert_eq!((status, &ended["sessions"]), (StatusCode::ACCEPTED, &json!(["s-1"])), "{ended}");
    assert_eq!(ended["deliveries"].as_array().unwrap().len(), 1);
    assert_eq!(live(&app).await, ["s-2", "s-3"]);
    // Once more is no error, and tells nobody twice.
    let (status, again) = app.api(Method::POST, OF_ALICE, Some(one)).await;
    assert_eq!(
        (status, &again["deliveries"][0]["id"]),
        (StatusCode::ACCEPTED, &ended["deliveries"][0]["id"])
    );

    let (status, ended) = app.api(Method::POST, OF_ALICE, None).await;
    assert_eq!((status, &ended["sessions"]), (StatusCode::ACCEPTED, &json!(["s-2"])), "{ended}");
    assert_eq!(live(&app).await, ["s-3"]);
    // A user without sessions is logged out, as with DELETE …/sessions.
    for body in [json!({}), json!({"session_id": null, "preserve_refresh_tokens": false})] {
        let (status, ended) = app.api(Method::POST, "/users/nobody/revoke-access", Some(body)).await;
        assert_eq!((status, ended), (StatusCode::ACCEPTED, json!({"sessions": [], "deliveries": []})));
    }
    let (_, entries) = app.get("/logs?type=sapi&per_page=1").await;
    assert_eq!(entries[0]["description"], "Revoke a user's access");
    assert_eq!(entries[0]["details"]["request"]["path"], "/api/v2/users/{id}/revoke-access");
    app.stop().await;
}

#[tokio::test]
async fn the_session_of_somebody_else_is_not_ended() {
    let app = with_sessions().await;
    for sid in ["s-3", "never-reported"] {
        let (status, answer) = app.api(Method::POST, OF_ALICE, Some(json!({"session_id": sid}))).await;
        assert_eq!(
            (status, &answer["errorCode"]),
            (StatusCode::NOT_FOUND, &json!("inexistent_session")),
            "{sid}: {answer}"
        );
    }
    for (body, message) in [
        (json!({"session": "s-1"}), "session: unknown field `session`"),
        (json!({"session_id": 1}), "session_id: invalid type"),
        (json!({"session_id": ""}), "session_id: must not be empty"),
        (json!({"preserve_refresh_tokens": "yes"}), "preserve_refresh_tokens: invalid type"),
        (json!([]), "the body must be a JSON object"),
        (Value::Bool(true), "the body must be a JSON object"),
    ] {
        let (status, answer) = app.api(Method::POST, OF_ALICE, Some(body.clone())).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer["message"].as_str().unwrap().starts_with(message), "{body}: {answer}");
    }
    assert_eq!(live(&app).await, ["s-1", "s-2", "s-3"]);
    app.stop().await;
}
