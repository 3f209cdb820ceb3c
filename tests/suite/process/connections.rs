//! Peers that hold connections without asking anything: they keep nobody out, on either listener.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::app::Setup;
use crate::support::process::{Serve, logoutd};
use crate::support::{TOKEN, event, eventually, http_builder};

/// How many descriptors the service has: fewer than there are silent peers.
const OPEN_FILES: u32 = 400;
const SILENT: usize = 1000;

/// Without connections that are kept, and not for ever.
fn client() -> reqwest::Client {
    http_builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(20)).build().unwrap()
}

/// Peers that say no more than this.
async fn silent(url: &str, says: &[u8]) -> Vec<TcpStream> {
    let address = url.strip_prefix("http://").unwrap();
    let mut peers = Vec::new();
    for _ in 0..SILENT {
        let mut peer = TcpStream::connect(address).await.unwrap();
        // One that had to make place is gone already.
        let _ = peer.write_all(says).await;
        peers.push(peer);
    }
    peers
}

async fn assert_everybody_gets_in(serve: &Serve) {
    let http = client();
    for path in ["/livez", "/readyz", "/metrics"] {
        let response = http.get(format!("{}{path}", serve.management)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    let list = http.get(format!("{}/api/v2/clients", serve.management)).bearer_auth(TOKEN);
    assert_eq!(list.send().await.unwrap().status(), StatusCode::OK);
    for url in [&serve.server, &serve.management] {
        let created = event("session.created", json!({"sid": "s-1", "sub": "alice"}));
        let request = http.post(format!("{url}/events")).bearer_auth(TOKEN);
        let request =
            request.header("content-type", "application/cloudevents+json").body(created.to_string());
        assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
    }
}

async fn crowded_out(serve: &Serve, listener: &str) -> u64 {
    let text =
        client().get(format!("{}/metrics", serve.management)).send().await.unwrap().text().await.unwrap();
    let series = format!(
        "logoutd_listener_connections_closed_total{{listener=\"{listener}\",reason=\"crowded_out\"}} "
    );
    text.lines().find_map(|line| line.strip_prefix(&series)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn a_thousand_silent_peers_keep_nobody_out() {
    logoutd::listen::raise_limit();
    let setup = Setup::new();
    let serve = Serve::start_with_open_files(&setup.write(), OPEN_FILES);
    let log = serve.log();
    assert!(log.contains("too few files for delivery.max_concurrency"), "{log}");
    let _silent = silent(&serve.server, b"").await;
    assert_everybody_gets_in(&serve).await;
    let _half_asked = silent(&serve.server, b"POST /events HTTP/1.1\r\nhost: ").await;
    assert_everybody_gets_in(&serve).await;
    eventually(async || (crowded_out(&serve, "server").await >= SILENT as u64).then_some(())).await;
    assert_eq!(crowded_out(&serve, "management").await, 0);

    // Management has a limit of its own.
    let _silent = silent(&serve.management, b"").await;
    assert_everybody_gets_in(&serve).await;
    eventually(async || (crowded_out(&serve, "management").await > 0).then_some(())).await;
}

#[tokio::test]
async fn a_connection_that_is_waited_on_keeps_its_place() {
    logoutd::listen::raise_limit();
    let rp = wiremock::MockServer::start().await;
    let slow = wiremock::ResponseTemplate::new(200).set_delay(Duration::from_millis(900));
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(slow).mount(&rp).await;
    let setup = Setup::new().client("shop", &format!("{}/logout", rp.uri()), "");
    let serve = Serve::start_with_open_files(&setup.write(), OPEN_FILES);
    let end = crate::support::ends("s-1", &["shop"]);
    let request = client().post(format!("{}/events", serve.server)).bearer_auth(TOKEN);
    let request = request.header("content-type", "application/cloudevents+json").header("prefer", "wait=10");
    let waiting = tokio::spawn(request.body(end.to_string()).send());
    eventually(async || (!rp.received_requests().await.unwrap().is_empty()).then_some(())).await;
    let _silent = silent(&serve.server, b"").await;
    let answer: serde_json::Value = waiting.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(answer["deliveries"][0]["state"], "delivered", "{answer}");
}

#[test]
fn more_connections_than_there_can_be_are_refused_when_it_starts() {
    let setup = Setup::new().with("[server]\nlisten = \"127.0.0.1:0\"\nmax_connections = 5000");
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("ulimit -n {OPEN_FILES} && exec \"$0\" serve --config \"$1\"")])
        .arg(logoutd().get_program())
        .arg(setup.write())
        .output()
        .unwrap();
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(problem.contains("server.max_connections = 5000"), "{problem}");
    assert!(problem.contains("raise that limit"), "{problem}");
}
