//! The service as a process: what survives its end.

use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, states};
use crate::support::process::Serve;
use crate::support::raw_rp::{RawRp, Trick};
use crate::support::tls_rp::TlsRp;
use crate::support::{TOKEN, ends, eventually, http};

async fn report(serve: &Serve, event: &Value, wait: u32) -> Value {
    let mut request = http()
        .post(format!("{}/events", serve.server))
        .bearer_auth(TOKEN)
        .header("content-type", "application/cloudevents+json")
        .body(event.to_string());
    if wait > 0 {
        request = request.header("prefer", format!("wait={wait}"));
    }
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    response.json().await.unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_is_delivered_after_a_crash() {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).mount(&rp).await;
    let setup = Setup::new().with("[delivery]\nschedule = [\"2s\"]\ntimeout = \"1s\"").client(
        "shop",
        &format!("{}/logout", rp.uri()),
        "",
    );
    let path = setup.write();

    let serve = Serve::start(&path);
    let event = ends("s-1", &["shop"]);
    assert_eq!(report(&serve, &event, 0).await["duplicate"], false);
    serve.kill();

    rp.reset().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let serve = Serve::start(&path);
    let mut answer = json!(null);
    for _ in 0..3 {
        answer = report(&serve, &event, 20).await;
        if states(&answer)[0].1 == "delivered" {
            break;
        }
    }
    assert_eq!(answer["duplicate"], true);
    assert_eq!(states(&answer), [("shop".to_owned(), "delivered".to_owned())]);
}

#[tokio::test]
async fn an_attempt_that_a_crash_cut_off_is_made_again() {
    let hanging = RawRp::start(Trick::Hang);
    let setup = Setup::new().with("[delivery]\ntimeout = \"2s\"").client("shop", &hanging.uri(), "");
    let path = setup.write();
    let serve = Serve::start(&path);
    report(&serve, &ends("s-1", &["shop"]), 0).await;
    eventually(async || (hanging.requests() == 1).then_some(())).await;
    // The attempt is under way, its lease in the store: nobody else may take it until that runs out.
    serve.kill();
    let _serve = Serve::start(&path);
    eventually(async || (hanging.requests() >= 2).then_some(())).await;
}

#[tokio::test]
async fn the_first_signal_drains_and_the_second_stops_at_once() {
    let slow = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(1));
    Mock::given(method("POST")).respond_with(answer).mount(&slow).await;
    let setup = Setup::new().with("[delivery]\ntimeout = \"20s\"").client(
        "shop",
        &format!("{}/logout", slow.uri()),
        "",
    );
    let path = setup.write();

    // What is under way is finished and recorded.
    let mut serve = Serve::start(&path);
    let event = ends("s-1", &["shop"]);
    report(&serve, &event, 0).await;
    eventually(async || (slow.received_requests().await.unwrap().len() == 1).then_some(())).await;
    serve.signal("TERM");
    assert!(serve.ended().success());
    let serve = Serve::start(&path);
    assert_eq!(states(&report(&serve, &event, 5).await)[0].1, "delivered");
    assert_eq!(slow.received_requests().await.unwrap().len(), 1);
    drop(serve);

    // With a relying party that never answers, draining takes as long as the attempt may; a second signal
    // does not.
    let hanging = RawRp::start(Trick::Hang);
    let setup = setup.without_clients().client("shop", &hanging.uri(), "");
    let mut serve = Serve::start(&setup.write());
    report(&serve, &ends("s-2", &["shop"]), 0).await;
    eventually(async || (hanging.requests() == 1).then_some(())).await;
    serve.signal("INT");
    let ready = format!("{}/readyz", serve.management);
    eventually(async || {
        let status = http().get(&ready).send().await.map(|response| response.status());
        (!status.is_ok_and(|status| status.is_success())).then_some(())
    })
    .await;
    serve.signal("INT");
    assert!(serve.ended().success());
}

#[tokio::test]
async fn proxies_of_the_environment_are_not_for_deliveries() {
    // A proxy would dial for us, past the guard. Whoever asked it would find it dead.
    let proxy = RawRp::start(Trick::Reset);
    let plain = RawRp::start(Trick::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    let secure = TlsRp::start().await;
    let setup = Setup::new();
    let ca_file = secure.certificate_in(setup.folder.path());
    let setup = setup
        .with(&format!(
            "[egress]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\", \"::1/128\"]\nca_file = \"{}\"",
            ca_file.display()
        ))
        .client("plain", &plain.uri(), "")
        .client("secure", &secure.uri(), "");
    let url = format!("http://{}", proxy.address);
    let names = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let mut environment: Vec<_> = names.iter().map(|name| (*name, url.as_str())).collect();
    environment.extend([("no_proxy", ""), ("NO_PROXY", "")]);
    let serve = Serve::start_with(&setup.write(), &environment);
    let answer = report(&serve, &ends("s-1", &["plain", "secure"]), 20).await;
    let states: Vec<_> = states(&answer).into_iter().map(|it| it.1).collect();
    assert_eq!(states, ["delivered", "delivered"]);
    assert_eq!((plain.requests(), secure.requests(), proxy.connections()), (1, 1, 0));
}

#[tokio::test]
async fn a_log_that_nobody_reads_any_more_stops_nothing() {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let setup = Setup::new().client("shop", &format!("{}/logout", rp.uri()), "");
    let mut serve = Serve::start_with(&setup.write(), &[("LOGOUTD_LOG", "debug")]);
    serve.stop_reading_log();
    for n in 0..3 {
        let answer = report(&serve, &ends(&format!("s-{n}"), &["shop"]), 20).await;
        assert_eq!(states(&answer), [("shop".to_owned(), "delivered".to_owned())]);
    }
    assert!(serve.log().lines().count() < 50, "it was read on");
    serve.signal("TERM");
    assert!(serve.ended().success());
}
