//! How the queue treats relying parties that are down, clients that are disabled, and users with many
//! sessions.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp, states};
use crate::support::h2_rp::H2Rp;
use crate::support::raw_rp::{RawRp, Trick};
use crate::support::validator::validate;
use crate::support::{ISSUER, ends, event, eventually};

async fn answers(status: u16) -> MockServer {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(status)).mount(&rp).await;
    rp
}

async fn requests(rp: &MockServer) -> usize {
    rp.received_requests().await.unwrap().len()
}

/// The value of a sample, by its name and labels as they are written.
async fn metric(app: &TestApp, sample: &str) -> Option<f64> {
    let text =
        app.http.get(format!("{}/metrics", app.management)).send().await.unwrap().text().await.unwrap();
    let line =
        text.lines().find(|line| line.strip_prefix(sample).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

const BREAKER: &str = "[delivery]\nschedule = [\"50ms\"]\ntimeout = \"1s\"\nbreaker_failures = 3\n\
                       breaker_pause = \"1s\"\nbreaker_max_pause = \"1s\"";

#[tokio::test]
async fn an_open_breaker_spends_no_attempts_and_a_probe_closes_it() {
    let rp = answers(503).await;
    let app = Setup::new().with(BREAKER).client("shop", &rp.uri(), "").start().await;
    let events: Vec<Value> = (0..20).map(|n| ends(&format!("s-{n}"), &["shop"])).collect();
    app.report(&json!(events)).await;
    let open = eventually(async || {
        let (_, answer) = app.get("/breakers").await;
        answer["breakers"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(open["client_id"], "shop");
    let made = requests(&rp).await;
    // Those under way when it opened; after that, for most of a second, nothing.
    assert!(made <= 16 + 3, "{made} attempts");
    assert_eq!(metric(&app, "logoutd_breaker_open{client_id=\"shop\"}").await, Some(2.0));
    assert!(metric(&app, "logoutd_queue_depth{client_id=\"shop\"}").await.is_some_and(|depth| depth >= 1.0));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(requests(&rp).await, made);

    // Its state outlives the process.
    let app = app.stop().await.start().await;
    let (_, answer) = app.get("/breakers").await;
    assert_eq!(answer["breakers"][0]["since"], open["since"]);

    rp.reset().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    for event in &events {
        assert_eq!(app.outcome(event, 20).await[0].1, "delivered");
    }
    let (_, answer) = app.get("/breakers").await;
    assert_eq!(answer["breakers"], json!([]));
    app.stop().await;
}

#[tokio::test]
async fn what_waits_behind_a_breaker_is_exhausted_when_its_time_runs_out() {
    let rp = answers(503).await;
    let app = Setup::new()
        .with(
            "[delivery]\nschedule = [\"50ms\"]\nmax_age = \"2s\"\nbreaker_failures = 1\nbreaker_pause = \"1m\"\n\
             max_concurrency_per_client = 1",
        )
        .client("shop", &rp.uri(), "")
        .start()
        .await;
    let events: Vec<Value> = (0..5).map(|n| ends(&format!("s-{n}"), &["shop"])).collect();
    app.report(&json!(events)).await;
    for event in &events {
        assert_eq!(app.outcome(event, 20).await[0].1, "exhausted");
    }
    assert!(requests(&rp).await <= 2, "they waited, and spent nothing");
    assert_eq!(
        metric(&app, "logoutd_deliveries_total{client_id=\"shop\",state=\"exhausted\"}").await,
        Some(5.0)
    );
    app.stop().await;
}

#[tokio::test]
async fn a_disabled_client_keeps_its_queue() {
    let rp = answers(200).await;
    let event = ends("s-1", &["shop"]);
    let app = Setup::new().client("shop", &rp.uri(), "enabled = false").start().await;
    assert_eq!(app.outcome(&event, 1).await[0].1, "pending");
    assert_eq!(requests(&rp).await, 0);
    let app = app.stop().await.without_clients().client("shop", &rp.uri(), "").start().await;
    assert_eq!(app.outcome(&event, 10).await[0].1, "delivered");

    // Left off for good, what waited is discarded when its time runs out.
    let setup = app.stop().await.without_clients().with("[delivery]\nmax_age = \"1s\"");
    let app = setup.client("shop", &rp.uri(), "enabled = false").start().await;
    assert_eq!(app.outcome(&ends("s-2", &["shop"]), 10).await[0].1, "discarded");
    app.stop().await;
}

#[tokio::test]
async fn a_new_client_does_not_wait_behind_a_backlog() {
    let hanging = RawRp::start(Trick::HangLater);
    let (busy, new) = (answers(200).await, answers(200).await);
    let app = Setup::new()
        .with("[delivery]\ntimeout = \"20s\"\nmax_concurrency = 8\nmax_concurrency_per_client = 8\nschedule = [\"1s\"]")
        .client("hanging", &hanging.uri(), "")
        .client("busy", &busy.uri(), "")
        .client("new", &new.uri(), "")
        .start()
        .await;
    // Having answered once, it may have as many attempts under way as any.
    assert_eq!(app.outcome(&ends("h", &["hanging"]), 5).await[0].1, "delivered");
    let backlog: Vec<Value> = (0..200).map(|n| ends(&format!("h-{n}"), &["hanging"])).collect();
    app.report(&json!(backlog)).await;
    eventually(async || (hanging.requests() > 6).then_some(())).await;
    // All slots but the reserve are taken by attempts that hang, and many more wait.
    for (n, client) in ["busy", "new", "busy", "new"].into_iter().enumerate() {
        assert_eq!(app.outcome(&ends(&format!("s-{n}"), &[client]), 5).await[0].1, "delivered");
    }
    drop(app);
}

#[tokio::test]
async fn a_user_with_many_sessions_is_logged_out_with_one_token_where_that_is_chosen() {
    let rp = MockServer::start().await;
    for uri in ["/each", "/once"] {
        Mock::given(method("POST")).and(path(uri)).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    }
    let app = Setup::new()
        .client("each", &format!("{}/each", rp.uri()), "")
        .client("once", &format!("{}/once", rp.uri()), "subject_logout = \"sub\"")
        .start()
        .await;
    for n in 0..3 {
        let data = json!({"sid": format!("s-{n}"), "sub": "alice", "clients": ["each", "once"]});
        app.report(&event("session.created", data)).await;
    }
    let everywhere = event("session.terminated", json!({"sub": "alice", "initiator": "idp-logout"}));
    let outcome = app.outcome(&everywhere, 10).await;
    let count =
        |client: &str| outcome.iter().filter(|(id, state)| id == client && state == "delivered").count();
    assert_eq!((count("each"), count("once")), (3, 1));

    let jwks = app.jwks().await;
    for request in rp.received_requests().await.unwrap() {
        let client_id = request.url.path().trim_start_matches('/');
        let token = validate(&request.body, ISSUER, client_id, &jwks);
        assert_eq!(token.claims.contains_key("sid"), client_id == "each");
        assert_eq!(token.claim("sub"), "alice");
    }
    // The end of one of these sessions, reported once more, tells nobody again.
    let again = event("session.terminated", json!({"sid": "s-1", "initiator": "rp-logout"}));
    let (_, answer) = app.report_and_wait(&again, 5).await;
    assert_eq!(states(&answer), [("each".to_owned(), "delivered".to_owned())]);
    assert_eq!(requests(&rp).await, 4);
    app.stop().await;
}

#[tokio::test]
async fn logouts_of_the_same_user_that_wait_become_one() {
    let rp = answers(503).await;
    let app = Setup::new()
        .with("[delivery]\nschedule = [\"1h\"]")
        .client("once", &rp.uri(), "subject_logout = \"sub\"")
        .start()
        .await;
    let mut ids = Vec::new();
    for n in 0..3 {
        let data = json!({"sid": format!("s-{n}"), "sub": "alice", "clients": ["once"]});
        app.report(&event("session.created", data)).await;
        let everywhere = event("session.terminated", json!({"sub": "alice", "initiator": "idp-logout"}));
        let (_, answer) = app.report_and_wait(&everywhere, 1).await;
        ids.push(answer["deliveries"][0]["id"].clone());
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // Each end is told of at once, though the schedule would have had it wait for an hour.
    assert_eq!(requests(&rp).await, 3);
    app.stop().await;
}

#[tokio::test]
async fn http_2_is_spoken_where_the_relying_party_has_it_and_connections_are_kept() {
    let setup = Setup::new();
    let rp = H2Rp::start(setup.folder.path()).await;
    let app = setup
        .with(&format!(
            "[egress]\nallow_networks = [\"127.0.0.0/8\", \"::1/128\"]\nca_file = \"{}\"",
            rp.ca_file.display()
        ))
        .client("shop", &rp.uri(), "")
        .start()
        .await;
    for n in 0..5 {
        assert_eq!(app.outcome(&ends(&format!("s-{n}"), &["shop"]), 10).await[0].1, "delivered");
    }
    assert_eq!((rp.requests(), rp.connections()), (5, 1));
    assert_eq!(metric(&app, "logoutd_connections_total{connection=\"kept\"}").await, Some(4.0));
    assert_eq!(metric(&app, "logoutd_connections_total{connection=\"new\"}").await, Some(1.0));
    app.stop().await;
}

#[tokio::test]
async fn metrics_say_what_happened() {
    let rp = answers(200).await;
    let app = Setup::new().client("shop", &rp.uri(), "").start().await;
    let event = ends("s-1", &["shop"]);
    app.outcome(&event, 10).await;
    app.report(&event).await;
    app.report(&ends("s-2", &["nobody"])).await;
    let response = app.http.get(format!("{}/metrics", app.management)).send().await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    for (sample, expected) in [
        ("logoutd_events_total{outcome=\"accepted\"}", 1.0),
        ("logoutd_events_total{outcome=\"duplicate\"}", 1.0),
        ("logoutd_events_total{outcome=\"refused\"}", 1.0),
        ("logoutd_deliveries_total{client_id=\"shop\",state=\"delivered\"}", 1.0),
        ("logoutd_attempts_total{client_id=\"shop\",result=\"delivered\"}", 1.0),
        ("logoutd_delivery_lag_seconds_count", 1.0),
        ("logoutd_signing_seconds_count{alg=\"ES256\"}", 1.0),
        ("logoutd_attempt_phase_seconds_count{phase=\"answer\"}", 1.0),
        ("logoutd_group_commit_size_count{of=\"outcomes\"}", 1.0),
        ("logoutd_attempts_in_flight", 0.0),
    ] {
        assert_eq!(metric(&app, sample).await, Some(expected), "{sample}");
    }
    app.stop().await;
}
