//! What relying parties do, and what becomes of their deliveries.

use std::collections::BTreeSet;

use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::raw_rp::{RawRp, Trick};
use crate::support::tls_rp::TlsRp;
use crate::support::validator::{ValidToken, validate};
use crate::support::{ISSUER, ends, event, eventually};

async fn answers(template: ResponseTemplate) -> MockServer {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).and(path("/logout")).respond_with(template).mount(&rp).await;
    rp
}

fn uri(rp: &MockServer) -> String {
    format!("{}/logout", rp.uri())
}

async fn requests(rp: &MockServer) -> usize {
    rp.received_requests().await.unwrap().len()
}

async fn tokens(app: &TestApp, rp: &MockServer) -> Vec<ValidToken> {
    let jwks = app.jwks().await;
    rp.received_requests().await.unwrap().iter().map(|it| validate(&it.body, ISSUER, "shop", &jwks)).collect()
}

/// The state that one session's end at one relying party comes to.
async fn outcome(app: &TestApp, seconds: u32) -> String {
    app.outcome(&ends("s-1", &["shop"]), seconds).await.remove(0).1
}

fn is_waiting(state: &str) -> bool {
    ["pending", "in_flight"].contains(&state)
}

#[tokio::test]
async fn every_2xx_is_a_delivery() {
    for status in [200, 202, 204, 299] {
        let rp = answers(ResponseTemplate::new(status)).await;
        let app = Setup::new().client("shop", &uri(&rp), "").start().await;
        assert_eq!(outcome(&app, 10).await, "delivered", "{status}");
        assert_eq!(requests(&rp).await, 1);
        app.stop().await;
    }
}

#[tokio::test]
async fn a_refusal_is_final_at_once() {
    for status in [400, 401, 403, 405, 422, 501, 505] {
        let body = json!({"error": "invalid_request", "error_description": "the token is no good"});
        let rp = answers(ResponseTemplate::new(status).set_body_json(body)).await;
        let app = Setup::new().client("shop", &uri(&rp), "").start().await;
        assert_eq!(outcome(&app, 10).await, "rejected", "{status}");
        assert_eq!(requests(&rp).await, 1, "{status}");
        app.stop().await;
    }
}

#[tokio::test]
async fn a_redirect_is_a_refusal_and_is_not_followed() {
    let target = answers(ResponseTemplate::new(200)).await;
    for status in [301, 302, 303, 307, 308] {
        let redirect = ResponseTemplate::new(status).insert_header("location", uri(&target));
        let rp = answers(redirect).await;
        let app = Setup::new().client("shop", &uri(&rp), "").start().await;
        assert_eq!(outcome(&app, 10).await, "rejected", "{status}");
        app.stop().await;
    }
    assert_eq!(requests(&target).await, 0);
}

#[tokio::test]
async fn a_failure_is_tried_again_with_a_fresh_token() {
    let rp = MockServer::start().await;
    for status in [500, 503, 404] {
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(status))
            .up_to_n_times(1)
            .mount(&rp)
            .await;
    }
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let app = Setup::new().client("shop", &uri(&rp), "").start().await;
    assert_eq!(outcome(&app, 20).await, "delivered");

    let tokens = tokens(&app, &rp).await;
    assert_eq!(tokens.len(), 4);
    let jtis: BTreeSet<_> = tokens.iter().map(|it| it.claim("jti").to_owned()).collect();
    assert_eq!(jtis.len(), 4, "every attempt has a jti of its own");
    app.stop().await;
}

#[tokio::test]
async fn retry_after_is_heeded() {
    let rp = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(429).insert_header("retry-after", "2"))
        .up_to_n_times(1)
        .mount(&rp)
        .await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let app = Setup::new().client("shop", &uri(&rp), "").start().await;
    let event = ends("s-1", &["shop"]);
    // The schedule alone (100 ms) would have tried again ten times in this second.
    let state = app.outcome(&event, 1).await.remove(0).1;
    assert_eq!((state.as_str(), requests(&rp).await), ("pending", 1));
    assert_eq!(app.outcome(&event, 20).await.remove(0).1, "delivered");
    assert_eq!(requests(&rp).await, 2);
    app.stop().await;
}

#[tokio::test]
async fn a_delivery_whose_age_runs_out_is_exhausted() {
    let rp = answers(ResponseTemplate::new(503)).await;
    // The first wait is already longer than the delivery may grow old.
    let app = Setup::new()
        .with("[delivery]\nmax_age = \"1m\"\nschedule = [\"2m\"]\ntimeout = \"1s\"")
        .client("shop", &uri(&rp), "")
        .start()
        .await;
    assert_eq!(outcome(&app, 10).await, "exhausted");
    assert_eq!(requests(&rp).await, 1);
    app.stop().await;
}

#[tokio::test]
async fn connections_that_break_or_hang_are_tried_again() {
    for trick in [Trick::Reset, Trick::Hang] {
        let rp = RawRp::start(trick);
        let app = Setup::new()
            .with("[delivery]\nschedule = [\"50ms\"]\ntimeout = \"300ms\"")
            .client("shop", &rp.uri(), "")
            .start()
            .await;
        let event = ends("s-1", &["shop"]);
        assert!(is_waiting(&app.outcome(&event, 1).await[0].1), "{trick:?}");
        eventually(async || (rp.requests() >= 2).then_some(())).await;
        app.stop().await;
    }
}

#[tokio::test]
async fn a_status_counts_however_slowly_the_body_comes() {
    for (status, expected) in [(200, "delivered"), (400, "rejected")] {
        let rp = RawRp::start(Trick::Trickle(status));
        let app = Setup::new().client("shop", &rp.uri(), "").start().await;
        assert_eq!(outcome(&app, 10).await, expected);
        assert_eq!(rp.requests(), 1);
        app.stop().await;
    }
}

#[tokio::test]
async fn ten_megabytes_of_answer_are_not_read() {
    let rp = RawRp::start(Trick::Flood(200));
    let app = Setup::new().client("shop", &rp.uri(), "").start().await;
    assert_eq!(outcome(&app, 10).await, "delivered");
    // 16 KiB are read, what is read ahead, and what is on its way in the kernel's buffers of both sides, which
    // are small: 128 KiB there, 16 KiB here. The rest is never sent.
    eventually(async || (rp.open() == 0).then_some(())).await;
    assert!(rp.bytes_sent() < 400_000, "{} bytes were taken", rp.bytes_sent());
    app.stop().await;
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_not_talked_to() {
    let rp = TlsRp::start().await;
    let networks = "allow_networks = [\"127.0.0.0/8\", \"::1/128\"]";
    let app = Setup::new().with(&format!("[egress]\n{networks}")).client("shop", &rp.uri(), "").start().await;
    assert!(is_waiting(&outcome(&app, 1).await));
    assert_eq!(rp.requests(), 0);
    app.stop().await;

    let setup = Setup::new();
    let ca_file = rp.certificate_in(setup.folder.path());
    let app = setup
        .with(&format!("[egress]\n{networks}\nca_file = \"{}\"", ca_file.display()))
        .client("shop", &rp.uri(), "")
        .start()
        .await;
    assert_eq!(outcome(&app, 10).await, "delivered");
    assert_eq!(rp.requests(), 1);
    app.stop().await;
}

#[tokio::test]
async fn a_name_that_resolves_to_a_forbidden_address_is_not_dialled() {
    let rp = answers(ResponseTemplate::new(200)).await;
    let by_name = format!("http://localhost:{}/logout", rp.address().port());
    let app = Setup::new().with("[egress]\nallow_http = true").client("shop", &by_name, "").start().await;
    assert_eq!(outcome(&app, 10).await, "rejected");
    assert_eq!(requests(&rp).await, 0);
    app.stop().await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_tried_again() {
    let app = Setup::new().client("shop", "https://no-such-host.invalid/logout", "").start().await;
    assert!(is_waiting(&outcome(&app, 1).await));
    app.stop().await;
}

#[tokio::test]
async fn gone_ends_the_subscription() {
    let rp = answers(ResponseTemplate::new(410)).await;
    let app = Setup::new().client("shop", &uri(&rp), "").start().await;
    assert_eq!(outcome(&app, 10).await, "rejected");
    let (_, answer) = app.report(&ends("s-2", &["shop"])).await;
    assert_eq!(answer["deliveries"], json!([]));
    assert_eq!(requests(&rp).await, 1);

    // A restart with the client in the configuration takes it up again.
    let app = app.stop().await.start().await;
    assert_eq!(app.outcome(&ends("s-3", &["shop"]), 10).await[0].1, "rejected");
    app.stop().await;
}

#[tokio::test]
async fn a_client_that_is_taken_out_has_its_deliveries_discarded() {
    let rp = answers(ResponseTemplate::new(503)).await;
    let event = ends("s-1", &["shop"]);
    let app = Setup::new().client("shop", &uri(&rp), "").start().await;
    assert!(is_waiting(&app.outcome(&event, 1).await[0].1));
    let setup = app.stop().await;

    let before = requests(&rp).await;
    let app = setup.without_clients().client("blog", &uri(&rp), "").start().await;
    assert_eq!(app.outcome(&event, 5).await, [("shop".to_owned(), "discarded".to_owned())]);
    assert_eq!(requests(&rp).await, before);
    app.stop().await;
}

#[tokio::test]
async fn a_relying_party_that_hangs_does_not_hold_up_another() {
    let hanging = RawRp::start(Trick::Hang);
    let healthy = answers(ResponseTemplate::new(200)).await;
    let app = Setup::new()
        .with(
            "[delivery]\nschedule = [\"1s\"]\ntimeout = \"20s\"\nmax_concurrency = 4\nmax_concurrency_per_client = 2",
        )
        .client("hanging", &hanging.uri(), "")
        .client("shop", &uri(&healthy), "")
        .start()
        .await;
    for n in 0..20 {
        app.report(&ends(&format!("s-{n}"), &["hanging"])).await;
    }
    eventually(async || (hanging.requests() == 2).then_some(())).await;
    // With the hanging one at its cap there is room for the healthy one: its deliveries are through while
    // the first two attempts still hang.
    for n in 0..20 {
        assert_eq!(app.outcome(&ends(&format!("h-{n}"), &["shop"]), 10).await[0].1, "delivered");
    }
    assert_eq!(hanging.requests(), 2, "the cap per client holds");
    drop(app);
}

#[tokio::test]
async fn every_client_of_a_session_is_told_in_parallel_and_by_its_own_rules() {
    let fine = answers(ResponseTemplate::new(200)).await;
    let bad = answers(ResponseTemplate::new(400)).await;
    let app = Setup::new()
        .client("fine", &uri(&fine), "")
        .client("bad", &uri(&bad), "")
        .client("down", "http://127.0.0.1:9/logout", "")
        .with("[[clients]]\nclient_id = \"deaf\"\nid_token_signed_response_alg = \"ES256\"")
        .start()
        .await;
    let data = json!({"sid": "s-1", "sub": "alice", "clients": ["fine", "bad", "down", "deaf"]});
    app.report(&event("session.created", data)).await;
    let end = event("session.terminated", json!({"sid": "s-1", "initiator": "rp-logout"}));
    let outcome = app.outcome(&end, 1).await;
    let state = |id: &str| outcome.iter().find(|(it, _)| it == id).map(|(_, state)| state.as_str());
    assert_eq!(state("fine"), Some("delivered"));
    assert_eq!(state("bad"), Some("rejected"));
    assert!(state("down").is_some_and(is_waiting));
    assert_eq!(state("deaf"), None);
    app.stop().await;
}
