//! Events per second that are taken, without regard to their delivery.

use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::Instant;

use crate::bench::{Bench, DEFAULT_PER_CLIENT, Outcome};
use crate::drive::per_second;
use crate::events::{Posting, Terminations};
use crate::load::push;
use crate::service::{Party, Service};
use crate::table::{Table, whole};

/// More than any machine takes in the time: the clock ends it.
const NO_END: usize = 100_000_000;

#[derive(Serialize)]
struct Case {
    client: &'static str,
    posting: String,
    connections: usize,
    events: usize,
    seconds: f64,
    events_per_second: f64,
    /// CPU of the service for each event, attempts on its deliveries included.
    cpu_us: f64,
}

pub async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let mut cases = Vec::new();
    for (client, uri) in [("told nothing", None), ("dead", Some(bench.rp.dead_uri()?))] {
        for posting in [Posting::BATCHES, Posting::SINGLY] {
            cases.push(measure(bench, client, uri.clone(), posting).await?);
        }
    }
    let mut table = Table::new(
        "acceptance: events per second, durable when they are acknowledged",
        ["client", "events posted", "connections", "events/s", "cpu µs", "events", "s"],
    );
    for case in &cases {
        table.row([
            case.client.to_owned(),
            case.posting.clone(),
            case.connections.to_string(),
            whole(case.events_per_second),
            format!("{:.0}", case.cpu_us),
            case.events.to_string(),
            format!("{:.1}", case.seconds),
        ]);
    }
    table.note("told nothing: a client without a logout URI, so no deliveries arise.");
    table.note("dead: a delivery arises from each, and attempts on a closed port compete.");
    table.note("cpu µs: of the service, for each event.");
    Outcome::new(&cases, vec![table], Vec::new())
}

async fn measure(
    bench: &Bench,
    client: &'static str,
    uri: Option<String>,
    posting: Posting,
) -> anyhow::Result<Case> {
    const CLIENT: &str = "client";
    let setup = bench.setup(DEFAULT_PER_CLIENT, &[Party::new(CLIENT, uri)])?;
    let service = Service::start(&setup).await?;
    let connections = posting.connections();
    let warm_up = posting.requests(service.server, Terminations::at([CLIENT]), 500);
    push(service.server, warm_up, connections).await?;

    let cpu_before = service.cpu()?;
    let began = Instant::now();
    let until = began + bench.sizes.accept_for;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let requests = posting
        .requests(service.server, Terminations::at([CLIENT]), NO_END)
        .take_while(move |_| Instant::now() < until)
        .inspect(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
    push(service.server, requests, connections).await?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = service.cpu()?.saturating_sub(cpu_before);
    service.stop().await?;

    let events = sent.load(Ordering::Relaxed) * posting.events_in_a_request();
    let events_per_second = per_second(events, seconds);
    let cpu_us = 1e6 / per_second(events, cpu.as_secs_f64());
    Ok(Case { client, posting: posting.to_string(), connections, events, seconds, events_per_second, cpu_us })
}
