//! Events come in by every door the contract names, once each.

use reqwest::StatusCode;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp, states};
use crate::support::validator::{ValidToken, validate};
use crate::support::{ISSUER, TOKEN, ends, event};

/// A relying party that answers 200.
async fn healthy() -> MockServer {
    let rp = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/logout"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&rp)
        .await;
    rp
}

fn uri(rp: &MockServer) -> String {
    format!("{}/logout", rp.uri())
}

/// The tokens a relying party received, each checked to the letter.
async fn received(app: &TestApp, rp: &MockServer, client_id: &str) -> Vec<ValidToken> {
    let jwks = app.jwks().await;
    let requests = rp.received_requests().await.unwrap();
    requests.iter().map(|it| validate(&it.body, ISSUER, client_id, &jwks)).collect()
}

#[tokio::test]
async fn a_session_ends_and_every_client_gets_what_it_asked_for() {
    let (shop, blog, wiki) = (healthy().await, healthy().await, healthy().await);
    let app = Setup::new()
        .client("shop", &uri(&shop), "session_metadata = true\nbackchannel_logout_session_required = true")
        .client("blog", &uri(&blog), "session_metadata = [\"org_id\", \"absent\"]")
        .client("wiki", &uri(&wiki), "")
        .start()
        .await;

    let created = event(
        "session.created",
        json!({"sid": "s-1", "sub": "alice", "clients": ["shop"],
               "session_metadata": {"org_id": "org_1", "device": "phone"}}),
    );
    let (status, answer) = app.report(&created).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(
        answer,
        json!({"id": created["id"], "duplicate": false, "sessions": ["s-1"], "deliveries": []})
    );
    for client_id in ["blog", "wiki"] {
        let added = event("session.client_added", json!({"sid": "s-1", "client_id": client_id, "sub": null}));
        assert_eq!(app.report(&added).await.0, StatusCode::ACCEPTED);
    }
    let updated = event(
        "session.updated",
        json!({"sid": "s-1", "session_metadata": {"org_id": "org_2", "device": "laptop"}}),
    );
    assert_eq!(app.report(&updated).await.0, StatusCode::ACCEPTED);

    let terminated = event("session.terminated", json!({"sid": "s-1", "initiator": "idp-logout"}));
    let (status, answer) = app.report_and_wait(&terminated, 10).await;
    assert_eq!(status, StatusCode::OK);
    let delivered = |id: &str| (id.to_owned(), "delivered".to_owned());
    assert_eq!(states(&answer), [delivered("blog"), delivered("shop"), delivered("wiki")]);

    let token = &received(&app, &shop, "shop").await[0];
    assert_eq!((token.claim("sid"), token.claim("sub")), ("s-1", "alice"));
    assert_eq!(token.claims["session_metadata"], json!({"org_id": "org_2", "device": "laptop"}));
    assert_eq!(token.header["typ"], "logout+jwt");
    let token = &received(&app, &blog, "blog").await[0];
    assert_eq!(token.claims["session_metadata"], json!({"org_id": "org_2"}));
    let token = &received(&app, &wiki, "wiki").await[0];
    assert!(!token.claims.contains_key("session_metadata"));

    let requests = shop.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].headers["content-type"], "application/x-www-form-urlencoded");
    app.stop().await;
}

#[tokio::test]
async fn the_same_event_again_gets_the_same_answer_and_tells_nobody_twice() {
    let shop = healthy().await;
    let app = Setup::new().client("shop", &uri(&shop), "").start().await;
    let event = ends("s-1", &["shop"]);
    let (status, first) = app.report(&event).await;
    assert_eq!((status, &first["duplicate"]), (StatusCode::ACCEPTED, &json!(false)));
    app.outcome(&event, 10).await;

    let (status, again) = app.report(&event).await;
    assert_eq!((status, &again["duplicate"]), (StatusCode::ACCEPTED, &json!(true)));
    let mut expected = first.clone();
    expected["duplicate"] = json!(true);
    assert_eq!(again, expected);
    assert_eq!(shop.received_requests().await.unwrap().len(), 1);

    // With a wish to wait, a repetition tells how it went.
    assert_eq!(app.outcome(&event, 10).await, [("shop".to_owned(), "delivered".to_owned())]);

    let mut other = event.clone();
    other["data"]["sub"] = json!("bob");
    let (status, answer) = app.report(&other).await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::CONFLICT, &json!("event_id_reused")));
    other["source"] = json!("https://other.example.com");
    other["data"]["sid"] = json!("s-2");
    assert_eq!(app.report(&other).await.0, StatusCode::ACCEPTED);
    app.stop().await;
}

#[tokio::test]
async fn concurrent_repetitions_make_one_delivery() {
    let shop = healthy().await;
    let app = Setup::new().client("shop", &uri(&shop), "").start().await;
    let event = ends("s-1", &["shop"]);
    let answers = futures_util::future::join_all((0..20).map(|_| app.report(&event))).await;
    let first = answers.iter().filter(|(_, answer)| answer["duplicate"] == false).count();
    assert_eq!(first, 1);
    assert!(answers.iter().all(|(status, answer)| {
        *status == StatusCode::ACCEPTED && answer["deliveries"] == answers[0].1["deliveries"]
    }));
    app.outcome(&event, 10).await;
    assert_eq!(shop.received_requests().await.unwrap().len(), 1);
    app.stop().await;
}

#[tokio::test]
async fn binary_mode_and_plain_json_are_taken_too() {
    let shop = healthy().await;
    let app = Setup::new().client("shop", &uri(&shop), "").start().await;
    let post = || app.http.post(format!("{}/events", app.server)).bearer_auth(TOKEN);

    let data = ends("s-binary", &["shop"])["data"].clone();
    let binary = post()
        .header("content-type", "application/json; charset=utf-8")
        .header("ce-specversion", "1.0")
        .header("ce-type", "session.terminated")
        .header("ce-source", "https://op.example.com")
        .header("ce-id", "binary%2D1")
        .header("prefer", "wait=10")
        .body(data.to_string());
    let response = binary.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["preference-applied"], "wait=10");
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["id"], "binary-1");
    assert_eq!(states(&answer), [("shop".to_owned(), "delivered".to_owned())]);

    for (body, expected) in [
        (ends("s-plain", &["shop"]), json!(["s-plain"])),
        (json!([ends("s-list", &["shop"])]), json!(["s-list"])),
    ] {
        let request = post().header("content-type", "application/json").body(body.to_string());
        let (status, answer) = app.send(request).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        let answer = answer.as_array().map_or(&answer, |list| &list[0]);
        assert_eq!(answer["sessions"], expected);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_batch_is_answered_in_order() {
    let shop = healthy().await;
    let app = Setup::new().client("shop", &uri(&shop), "").start().await;
    // Later events see what earlier ones did.
    let batch = json!([
        event("session.created", json!({"sid": "s-1", "sub": "alice", "clients": ["shop"]})),
        event("session.terminated", json!({"sid": "s-1", "initiator": "rp-logout"})),
        ends("s-2", &["shop"]),
    ]);
    let (status, answer) = app.report_and_wait(&batch, 10).await;
    assert_eq!(status, StatusCode::OK);
    let answers = answer.as_array().unwrap();
    for (answer, event) in answers.iter().zip(batch.as_array().unwrap()) {
        assert_eq!(answer["id"], event["id"]);
    }
    assert_eq!(states(&answers[1]), [("shop".to_owned(), "delivered".to_owned())]);
    assert_eq!(states(&answers[2]), [("shop".to_owned(), "delivered".to_owned())]);
    let (status, answer) = app.report(&json!([])).await;
    assert_eq!((status, answer), (StatusCode::ACCEPTED, json!([])));
    app.stop().await;
}

#[tokio::test]
async fn a_user_is_logged_out_everywhere() {
    let (shop, blog) = (healthy().await, healthy().await);
    let app = Setup::new()
        .client("shop", &uri(&shop), "initiators = \"all\"")
        .client("blog", &uri(&blog), "initiators = [\"password-changed\"]")
        .start()
        .await;
    for (sid, sub) in [("s-1", "alice"), ("s-2", "alice"), ("s-3", "bob")] {
        let data =
            json!({"sid": sid, "sub": sub, "clients": ["shop", {"client_id": "blog", "sub": "pairwise"}]});
        assert_eq!(app.report(&event("session.created", data)).await.0, StatusCode::ACCEPTED);
    }
    let everywhere = event("session.terminated", json!({"sub": "alice", "initiator": "password-changed"}));
    let (_, answer) = app.report_and_wait(&everywhere, 10).await;
    assert_eq!(answer["sessions"], json!(["s-1", "s-2"]));
    assert_eq!(states(&answer).len(), 4);
    let mut sids: Vec<_> =
        received(&app, &shop, "shop").await.iter().map(|it| it.claim("sid").to_owned()).collect();
    sids.sort();
    assert_eq!(sids, ["s-1", "s-2"]);
    assert!(received(&app, &blog, "blog").await.iter().all(|it| it.claim("sub") == "pairwise"));

    // Bob's session lives, and ends without those who do not want to hear of it or are left out.
    let revoked = event("session.terminated", json!({"sid": "s-3", "initiator": "session-revoked"}));
    assert_eq!(app.outcome(&revoked, 10).await, [("shop".to_owned(), "delivered".to_owned())]);
    let data = json!({"sid": "s-4", "sub": "bob", "initiator": "password-changed",
                      "clients": ["shop", "blog"], "exclude_clients": ["shop"]});
    assert_eq!(
        app.outcome(&event("session.terminated", data), 10).await,
        [("blog".to_owned(), "delivered".to_owned())]
    );
    app.stop().await;
}

#[tokio::test]
async fn a_source_waits_no_longer_than_it_wants() {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).mount(&rp).await;
    let app = Setup::new().client("shop", &uri(&rp), "").start().await;
    let event = ends("s-1", &["shop"]);
    let (status, answer) = app.report_and_wait(&event, 1).await;
    assert_eq!(status, StatusCode::OK);
    assert!(["pending", "in_flight"].contains(&states(&answer)[0].1.as_str()), "{answer}");
    app.stop().await;
}

#[tokio::test]
async fn discovery_and_health_say_what_is_there() {
    let app = Setup::new().start().await;
    let get = |url: String| app.send(app.http.get(url));
    let (status, metadata) = get(format!("{}/.well-known/openid-configuration", app.server)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        metadata,
        json!({
            "issuer": ISSUER,
            "jwks_uri": format!("{ISSUER}/.well-known/jwks.json"),
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    );
    let response = app.http.get(format!("{}/.well-known/jwks.json", app.server)).send().await.unwrap();
    assert!(response.headers()["cache-control"].to_str().unwrap().starts_with("public, max-age="));
    assert_eq!(get(format!("{}/livez", app.management)).await.0, StatusCode::OK);
    assert_eq!(get(format!("{}/readyz", app.management)).await.0, StatusCode::OK);
    // Each listener has its own routes.
    let (status, answer) = get(format!("{}/livez", app.server)).await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    let (status, answer) = get(format!("{}/events", app.server)).await;
    assert_eq!((status, &answer["statusCode"]), (StatusCode::METHOD_NOT_ALLOWED, &json!(405)));
    app.stop().await;
}
