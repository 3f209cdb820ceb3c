//! Events that come in another order than they happened: who is told of an end, and what a session is left with.

use reqwest::Method;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp, states};
use crate::support::{event, eventually};

/// A relying party for several clients, each at a path of its own, that answers `status`.
async fn relying_party(status: u16) -> MockServer {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(status)).mount(&rp).await;
    rp
}

fn setup(rp: &MockServer, clients: &[&str]) -> Setup {
    let add =
        |setup: Setup, id: &&str| setup.client(id, &format!("{}/{id}", rp.uri()), "initiators = \"all\"");
    clients.iter().fold(Setup::new(), add)
}

/// An event that happened at `time` of 1 January 2026.
fn at(time: &str, r#type: &str, data: Value) -> Value {
    let mut event = event(r#type, data);
    event["time"] = json!(format!("2026-01-01T{time}Z"));
    event
}

/// Reports an event, and returns whom it has told when all are.
async fn told(app: &TestApp, event: &Value) -> Vec<String> {
    let outcome = app.outcome(event, 10).await;
    assert!(outcome.iter().all(|(_, state)| state == "delivered"), "{outcome:?}");
    outcome.into_iter().map(|(client, _)| client).collect()
}

/// The clients that were sent a token, in order of their names.
async fn received(rp: &MockServer) -> Vec<String> {
    let requests = rp.received_requests().await.unwrap();
    let mut clients: Vec<_> =
        requests.iter().map(|it| it.url.path().trim_start_matches('/').to_owned()).collect();
    clients.sort();
    clients
}

async fn is_live(app: &TestApp, sid: &str) -> bool {
    app.get(&format!("/sessions/{sid}")).await.0 == 200
}

fn created(sid: &str, clients: &[&str]) -> Value {
    json!({"sid": sid, "sub": "carol", "clients": clients})
}

#[tokio::test]
async fn an_end_of_all_sessions_of_a_user_reaches_those_reported_late() {
    let rp = relying_party(200).await;
    let app = setup(&rp, &["shop", "blog", "wiki", "strict"])
        .client("once", &format!("{}/once", rp.uri()), "initiators = \"all\"\nsubject_logout = \"sub\"")
        .start()
        .await;
    told(&app, &at("10:00:00", "session.created", created("s-1", &["shop", "blog"]))).await;
    let everywhere = json!({
        "sub": "carol", "initiator": "password-changed", "exclude_clients": ["blog"], "clients": ["strict"],
    });
    assert_eq!(told(&app, &at("10:20:00", "session.terminated", everywhere)).await, ["shop", "strict"]);

    // Restarted in between: it is remembered.
    let app = app.stop().await.start().await;
    let late = at("10:10:00", "session.created", created("s-2", &["shop", "blog", "once"]));
    assert_eq!(told(&app, &late).await, ["once", "shop"]);
    assert!(!is_live(&app, "s-2").await);
    let (_, page) = app.get("/deliveries?sid=s-2").await;
    assert_eq!(page["deliveries"][0]["initiator"], "password-changed");

    // At the same instant; reported after that; and without a time, which is when it came in.
    assert_eq!(told(&app, &at("10:20:00", "session.created", created("s-3", &["wiki"]))).await, ["wiki"]);
    told(&app, &at("10:20:00.001", "session.created", created("s-4", &["wiki"]))).await;
    told(&app, &event("session.created", created("s-5", &["wiki"]))).await;
    assert!(!is_live(&app, "s-3").await);
    assert!(is_live(&app, "s-4").await && is_live(&app, "s-5").await);
    app.stop().await;
}

#[tokio::test]
async fn the_first_of_several_ends_after_a_session_began_is_the_one_it_ended_by() {
    let rp = relying_party(200).await;
    let app = setup(&rp, &["shop", "blog"]).start().await;
    told(&app, &at("09:00:00", "session.created", created("s-1", &["shop"]))).await;
    let end = |initiator: &str, exclude: &[&str]| json!({"sub": "carol", "initiator": initiator, "exclude_clients": exclude});
    told(&app, &at("10:20:00", "session.terminated", end("account-deleted", &[]))).await;
    told(&app, &at("10:10:00", "session.terminated", end("rp-logout", &["blog"]))).await;
    let late = at("10:05:00", "session.created", created("s-2", &["shop", "blog"]));
    assert_eq!(told(&app, &late).await, ["shop"]);
    let between = at("10:15:00", "session.created", created("s-3", &["shop", "blog"]));
    assert_eq!(told(&app, &between).await, ["blog", "shop"]);
    for (sid, initiator) in [("s-2", "rp-logout"), ("s-3", "account-deleted")] {
        let (_, page) = app.get(&format!("/deliveries?sid={sid}")).await;
        assert_eq!(page["deliveries"][0]["initiator"], initiator);
    }
    app.stop().await;
}

#[tokio::test]
async fn an_operators_end_of_all_sessions_reaches_those_reported_late_too() {
    let rp = relying_party(200).await;
    let app = setup(&rp, &["shop"]).start().await;
    // Also where none was ever reported.
    let (status, ended) = app.api(Method::DELETE, "/users/carol/sessions", None).await;
    assert_eq!((status.as_u16(), &ended["sessions"]), (202, &json!([])));
    assert_eq!(told(&app, &at("10:10:00", "session.created", created("s-1", &["shop"]))).await, ["shop"]);
    assert!(!is_live(&app, "s-1").await);
    app.stop().await;
}

#[tokio::test]
async fn a_source_whose_clock_is_ahead_orders_its_own_events() {
    let rp = relying_party(200).await;
    let app = setup(&rp, &["shop"]).start().await;
    let now = jiff::Timestamp::now();
    let ahead = |seconds: i64, r#type: &str, data: Value| {
        let mut event = event(r#type, data);
        event["time"] = json!((now + jiff::SignedDuration::from_secs(seconds)).to_string());
        event
    };
    told(&app, &ahead(10, "session.created", created("s-1", &["shop"]))).await;
    let updated = |version: &str| json!({"sid": "s-1", "session_metadata": {"v": version}});
    told(&app, &ahead(20, "session.updated", updated("newer"))).await;
    told(&app, &ahead(15, "session.updated", updated("older"))).await;
    assert_eq!(app.get("/sessions/s-1").await.1["session_metadata"], json!({"v": "newer"}));
    // Without a time it is the order they come in that counts.
    told(&app, &event("session.updated", updated("untimed"))).await;
    assert_eq!(app.get("/sessions/s-1").await.1["session_metadata"], json!({"v": "untimed"}));

    let everywhere = json!({"sub": "carol", "initiator": "password-changed"});
    assert_eq!(told(&app, &ahead(35, "session.terminated", everywhere)).await, ["shop"]);
    assert_eq!(told(&app, &ahead(30, "session.created", created("s-2", &["shop"]))).await, ["shop"]);
    told(&app, &ahead(40, "session.created", created("s-3", &["shop"]))).await;
    assert!(!is_live(&app, "s-2").await);
    assert!(is_live(&app, "s-3").await);
    app.stop().await;
}

#[tokio::test]
async fn an_end_in_a_batch_reaches_what_comes_after_it_in_the_batch_by_its_time() {
    let rp = relying_party(200).await;
    let app = setup(&rp, &["shop"]).start().await;
    let end = json!({"sub": "carol", "initiator": "rp-logout"});
    let batch = json!([
        at("09:00:00", "session.created", created("s-1", &[])),
        at("10:20:00", "session.terminated", end),
        at("10:10:00", "session.created", created("s-2", &["shop"])),
        at("10:30:00", "session.created", created("s-3", &["shop"])),
    ]);
    let (status, answer) = app.report(&batch).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(states(&answer[2]).len(), 1);
    assert!(!is_live(&app, "s-2").await && is_live(&app, "s-3").await);
    app.stop().await;
}

#[tokio::test]
async fn a_second_end_of_a_sid_reaches_what_began_after_the_first() {
    let rp = relying_party(200).await;
    let app = setup(&rp, &["shop", "blog"]).start().await;
    let end = json!({"sid": "s-1", "initiator": "rp-logout"});
    told(&app, &at("10:00:00", "session.created", created("s-1", &["shop"]))).await;
    told(&app, &at("10:10:00", "session.terminated", end.clone())).await;
    told(&app, &at("10:30:00", "session.terminated", end)).await;
    assert_eq!(
        told(&app, &at("10:20:00", "session.created", created("s-1", &["blog"]))).await,
        ["blog", "shop"]
    );
    assert!(!is_live(&app, "s-1").await);
    assert_eq!(received(&rp).await, ["blog", "shop"]);
    app.stop().await;
}

/// Whatever comes later about a session that has ended without telling `shop`.
async fn assert_shop_is_left_out(app: &TestApp, rp: &MockServer) {
    told(app, &event("session.client_added", json!({"sid": "s-1", "client_id": "wiki"}))).await;
    told(app, &event("session.client_added", json!({"sid": "s-1", "client_id": "shop", "sub": "own"}))).await;
    told(app, &at("09:00:00", "session.created", created("s-1", &["shop", "docs"]))).await;
    told(app, &event("session.terminated", json!({"sid": "s-1", "initiator": "idp-logout"}))).await;
    told(app, &event("session.terminated", json!({"sub": "carol", "initiator": "idp-logout"}))).await;
    assert_eq!(app.api(Method::DELETE, "/sessions/s-1", None).await.0, 202);
    // Deliveries go out in order: when this one has, none to `shop` can be on its way.
    told(
        app,
        &event("session.terminated", json!({"sid": "s-9", "initiator": "idp-logout", "clients": ["blog"]})),
    )
    .await;
    assert_eq!(received(rp).await, ["blog", "blog", "docs", "wiki"]);
}

#[tokio::test]
async fn who_was_excluded_from_an_end_stays_left_out_of_it() {
    for participants in [&["shop", "blog"][..], &["blog"]] {
        let rp = relying_party(200).await;
        let app = setup(&rp, &["shop", "blog", "wiki", "docs"]).start().await;
        told(&app, &at("10:00:00", "session.created", created("s-1", participants))).await;
        let end = json!({"sid": "s-1", "initiator": "rp-logout", "exclude_clients": ["shop"]});
        assert_eq!(told(&app, &at("11:00:00", "session.terminated", end)).await, ["blog"]);
        assert_shop_is_left_out(&app, &rp).await;
        app.stop().await;
    }
}

#[tokio::test]
async fn who_does_not_want_to_hear_of_such_an_end_stays_left_out_of_it() {
    let rp = relying_party(200).await;
    let app = setup(&rp, &["blog", "wiki", "docs"])
        .client("shop", &format!("{}/shop", rp.uri()), "initiators = [\"idp-logout\"]")
        .start()
        .await;
    told(&app, &at("10:00:00", "session.created", created("s-1", &["shop", "blog"]))).await;
    let end = json!({"sid": "s-1", "initiator": "rp-logout"});
    assert_eq!(told(&app, &at("11:00:00", "session.terminated", end)).await, ["blog"]);

    // Though it wants to hear of all of them since.
    let stopped = app.stop().await.without_clients();
    let add =
        |setup: Setup, id: &str| setup.client(id, &format!("{}/{id}", rp.uri()), "initiators = \"all\"");
    let app = ["shop", "blog", "wiki", "docs"].into_iter().fold(stopped, add).start().await;
    assert_shop_is_left_out(&app, &rp).await;
    app.stop().await;
}

#[tokio::test]
async fn who_was_not_registered_at_an_end_stays_left_out_of_it() {
    let rp = relying_party(200).await;
    let app = setup(&rp, &["blog", "wiki", "docs"]).start().await;
    let shop = json!({
        "client_id": "shop", "backchannel_logout_uri": format!("{}/shop", rp.uri()), "initiators": "all",
        "id_token_signed_response_alg": "ES256",
    });
    let register = async || app.api(Method::POST, "/clients", Some(shop.clone())).await.0;
    assert_eq!(register().await, 201);
    told(&app, &at("10:00:00", "session.created", created("s-1", &["shop", "blog"]))).await;
    assert_eq!(app.api(Method::DELETE, "/clients/shop", None).await.0, 204);
    let end = json!({"sid": "s-1", "initiator": "rp-logout"});
    assert_eq!(told(&app, &at("11:00:00", "session.terminated", end)).await, ["blog"]);
    assert_eq!(register().await, 201);
    assert_shop_is_left_out(&app, &rp).await;
    app.stop().await;
}

fn time(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// The delivery with this id.
async fn delivery(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/deliveries/{id}")).await.1
}

#[tokio::test]
async fn a_second_end_that_joins_a_waiting_token_makes_it_due_and_gives_it_its_own_time() {
    let rp = relying_party(503).await;
    let app = Setup::new()
        .with("[delivery]\nschedule = [\"1h\"]\ntimeout = \"1s\"\nmax_age = \"2h\"")
        .client("once", &format!("{}/once", rp.uri()), "initiators = \"all\"\nsubject_logout = \"sub\"")
        .start()
        .await;
    let everywhere = |initiator: &str| json!({"sub": "carol", "initiator": initiator});
    told(&app, &event("session.created", created("s-1", &["once"]))).await;
    let (_, first) = app.report(&event("session.terminated", everywhere("rp-logout"))).await;
    let id = first["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let waits = async |attempts: u64| {
        eventually(async || {
            let delivery = delivery(&app, &id).await;
            (delivery["state"] == "pending" && delivery["attempts_made"] == attempts).then_some(delivery)
        })
        .await
    };
    let before = waits(1).await;

    told(&app, &event("session.created", created("s-2", &["once"]))).await;
    let (_, second) = app.report(&event("session.terminated", everywhere("account-deleted"))).await;
    assert_eq!(second["deliveries"][0]["id"], json!(id));
    // The next attempt would have been an hour later.
    let after = waits(2).await;
    assert_eq!(after["initiator"], "account-deleted");
    assert!(time(&after["expires_at"]) > time(&before["expires_at"]), "{after}");
    app.stop().await;
}

#[tokio::test]
async fn an_older_report_changes_nothing_that_a_newer_one_has_set() {
    let rp = relying_party(200).await;
    let app = setup(&rp, &["shop"]).start().await;
    let began = json!({
        "sid": "s-1", "sub": "carol", "session_metadata": {"v": "created"}, "expires_at": "2999-01-01T00:00:00Z",
    });
    told(&app, &at("10:00:00", "session.created", began)).await;
    let session = async || app.get("/sessions/s-1").await.1;
    let updated = |time: &str, members: Value| {
        let mut data = members;
        data["sid"] = json!("s-1");
        at(time, "session.updated", data)
    };
    told(&app, &updated("10:20:00", json!({"session_metadata": {"v": "10:20"}}))).await;
    told(&app, &updated("10:10:00", json!({"session_metadata": {"v": "10:10"}}))).await;
    assert_eq!(session().await["session_metadata"], json!({"v": "10:20"}));
    // Each member by itself: an older report of what no newer one has set counts.
    told(&app, &updated("10:15:00", json!({"expires_at": "2999-01-01T00:15:00Z"}))).await;
    told(
        &app,
        &updated(
            "10:12:00",
            json!({"expires_at": "2999-01-01T00:12:00Z", "idle_expires_at": "2999-01-01T00:00:12Z"}),
        ),
    )
    .await;
    let read = session().await;
    assert_eq!(time(&read["expires_at"]), time(&json!("2999-01-01T00:15:00Z")));
    assert_eq!(time(&read["idle_expires_at"]), time(&json!("2999-01-01T00:00:12Z")));

    // A beginning that is reported again, or late, is older too.
    let again =
        json!({"sid": "s-1", "sub": "carol", "session_metadata": {"v": "again"}, "clients": ["shop"]});
    told(&app, &at("10:05:00", "session.created", again.clone())).await;
    told(&app, &at("09:00:00", "session.created", again)).await;
    assert_eq!(session().await["session_metadata"], json!({"v": "10:20"}));
    // Metadata that was taken away stays away; after a restart too.
    told(&app, &updated("10:30:00", json!({"session_metadata": {}}))).await;
    let app = app.stop().await.start().await;
    let session = async || app.get("/sessions/s-1").await.1;
    told(&app, &updated("10:25:00", json!({"session_metadata": {"v": "10:25"}}))).await;
    assert_eq!(session().await["session_metadata"], json!({}));
    // What an operator sets is newer than whatever happened before.
    let patch = json!({"session_metadata": {"v": "operator"}});
    assert_eq!(app.api(Method::PATCH, "/sessions/s-1", Some(patch)).await.0, 200);
    told(&app, &updated("10:40:00", json!({"session_metadata": {"v": "10:40"}}))).await;
    assert_eq!(session().await["session_metadata"], json!({"v": "operator"}));
    app.stop().await;
}

#[tokio::test]
async fn an_older_sub_of_a_clients_own_does_not_replace_a_newer_one() {
    let rp = relying_party(200).await;
    let app = setup(&rp, &["shop"]).start().await;
    told(&app, &at("10:00:00", "session.created", created("s-1", &[]))).await;
    for (time, sub) in [("10:20:00", "newer"), ("10:10:00", "older")] {
        let added = json!({"sid": "s-1", "client_id": "shop", "sub": sub});
        told(&app, &at(time, "session.client_added", added)).await;
    }
    told(&app, &event("session.terminated", json!({"sid": "s-1", "initiator": "rp-logout"}))).await;
    let requests = rp.received_requests().await.unwrap();
    let jwks = app.jwks().await;
    let token = crate::support::validator::validate(&requests[0].body, crate::support::ISSUER, "shop", &jwks);
    assert_eq!(token.claim("sub"), "newer");
    app.stop().await;
}
