//! A crowd of clients that are down, and a few that are well: the few are not kept waiting by the many.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::counting_rp::CountingRp;
use crate::source::Source;
use crate::support::app::Setup;
use crate::support::process::Serve;
use crate::support::raw_rp::{RawRp, Trick};
use crate::support::{ends, eventually};

const HEALTHY: usize = 100;
const REFUSING: usize = 450;
const HANGING: usize = 450;

/// Sessions that end at every client that is down, before and while the healthy ones are told of theirs.
const SESSIONS_DOWN: usize = 5;
const SESSIONS_HEALTHY: usize = 10;

/// Generous: the figure that is printed is what to look at.
const PATIENCE: Duration = Duration::from_mins(1);

fn names(kind: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{kind}-{n}")).collect()
}

fn sessions(count: usize, clients: &[String]) -> Vec<Value> {
    let clients: Vec<_> = clients.iter().map(String::as_str).collect();
    (0..count).map(|_| ends(&uuid::Uuid::new_v4().to_string(), &clients)).collect()
}

/// An address that refuses connections, for as long as the socket is held: nobody listens there, and nobody
/// else can.
fn refusing() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let uri = format!("http://{}/logout", socket.local_addr().unwrap());
    (socket, uri)
}

/// How many deliveries of these events are in a final state.
async fn finals(source: &Source, server: &str, events: &[Value]) -> usize {
    let reply = source.report(server, &json!(events), 1).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    let answers = reply.body.as_array().unwrap().iter();
    let deliveries = answers.flat_map(|answer| answer["deliveries"].as_array().unwrap());
    deliveries.filter(|it| it["state"] != "pending" && it["state"] != "in_flight").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_is_down_does_not_keep_the_healthy_waiting() {
    let healthy_rp = CountingRp::start(async |_| 200).await;
    let hanging_rp = RawRp::start(Trick::Hang);
    let (_held, refusing_uri) = refusing();
    let (healthy, refusing, hanging) =
        (names("healthy", HEALTHY), names("refusing", REFUSING), names("hanging", HANGING));
    let mut setup = Setup::new().with("[delivery]\ntimeout = \"2s\"");
    for id in &healthy {
        setup = setup.client(id, &healthy_rp.uri(id), "");
    }
    for id in &refusing {
        setup = setup.client(id, &refusing_uri, "");
    }
    for id in &hanging {
        setup = setup.client(id, &hanging_rp.uri(), "");
    }
    let serve = Serve::start(&setup.write());
    let source = Source::new();

    let down: Vec<_> = [refusing, hanging].concat();
    let waiting = sessions(SESSIONS_DOWN, &down);
    let reply = source.report(&serve.server, &json!(waiting), 0).await.unwrap();
    assert_eq!(reply.status, 202, "{}", reply.body);
    eventually(async || (hanging_rp.requests() > 0).then_some(())).await;

    let told = sessions(SESSIONS_HEALTHY, &healthy);
    let began = Instant::now();
    let reply = source.report(&serve.server, &json!(told), 0).await.unwrap();
    assert_eq!(reply.status, 202, "{}", reply.body);
    source.assert_delivered(&serve.server, &told, PATIENCE).await;
    assert_eq!(finals(&source, &serve.server, &waiting).await, 0, "the ones that are down are not waiting");

    let mut times: Vec<_> =
        healthy_rp.heard().iter().map(|it| it.at.saturating_duration_since(began)).collect();
    times.sort();
    assert_eq!(times.len(), SESSIONS_HEALTHY * HEALTHY, "one request for each delivery");
    println!(
        "crowd: {} deliveries at {HEALTHY} healthy clients beside {} clients that are down: first {:.2?}, half \
         {:.2?}, 99 % {:.2?}, last {:.2?} after they were reported",
        times.len(),
        down.len(),
        times[0],
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1],
    );
}
