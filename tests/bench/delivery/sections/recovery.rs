//! kill -9 with a backlog and under load, and what it takes until all is as it was.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tokio::task::JoinSet;

use super::Filled;
use crate::bench::{Bench, HEALTHY, Outcome};
use crate::events::{Terminations, batch};
use crate::http::Connection;
use crate::relying_party::Arrival;
use crate::samples::{millis, now_micros};
use crate::service::Service;
use crate::table::Table;

/// How long the load is on before the kill.
const LOAD_FOR: Duration = Duration::from_secs(2);

/// The load: so many sources, each with so many events in a request.
const SOURCES: usize = 4;
const EVENTS: usize = 20;

/// How long after a request that was turned away the next is sent.
const AFTER_BUSY: Duration = Duration::from_millis(10);

/// How long deliveries that were acknowledged are waited for: longer than any lease.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Serialize)]
struct Recovery {
    waiting: usize,
    /// Events of the healthy client that were acknowledged before the kill.
    acknowledged: usize,
    /// Of these, those whose token had not arrived before the kill.
    owed: usize,
    /// From the start of the new process, until it was ready.
    ready_ms: f64,
    /// From the same, until the first token arrived that was owed.
    first_delivery_ms: Option<f64>,
    /// And until the last had.
    last_delivery_ms: Option<f64>,
    /// Events that were acknowledged, and whose token never came.
    lost: usize,
    /// Those whose token came more than once.
    repeated: usize,
    all_settled: bool,
}

pub async fn run(bench: &mut Bench) -> anyhow::Result<Outcome> {
    let filled = match bench.filled.take() {
        Some(filled) => filled,
        None => Filled::to_the_brim(bench).await?,
    };
    let Filled { service, setup, store, waiting } = filled;
    bench.rp.begin(u64::MAX, true).await?;

    let acknowledged: Arc<Mutex<HashSet<String>>> = Arc::default();
    let mut sources = JoinSet::new();
    for _ in 0..SOURCES {
        sources.spawn(report_until_it_dies(service.server, Arc::clone(&acknowledged)));
    }
    tokio::time::sleep(LOAD_FOR).await;
    service.kill()?;
    while let Some(ended) = sources.join_next().await {
        ended.context("a source panicked")?;
    }

    let started = now_micros();
    let service = Service::start(&setup).await?;
    let ready_after = service.ready_after;
    let clients = [HEALTHY.to_owned()];
    let all_settled = store.settled(&clients, PATIENCE).await.is_ok();
    service.kill()?;

    let acknowledged = std::mem::take(&mut *acknowledged.lock().expect("no holder of this lock panics"));
    let told = Told { acknowledged, arrivals: bench.rp.arrivals().await?, started };
    let recovery = told.sum_up(waiting, ready_after, all_settled);
    Outcome::new(&recovery, vec![recovery.table()], Vec::new())
}

/// Reports events one batch after the other, and notes those that were acknowledged.
async fn report_until_it_dies(server: SocketAddr, acknowledged: Arc<Mutex<HashSet<String>>>) {
    let Ok(mut connection) = Connection::open(server).await else { return };
    let mut terminations = Terminations::at([HEALTHY]);
    loop {
        let events = terminations.take(EVENTS);
        match connection.send(&batch(server, &events)).await {
            Ok(answer) if answer.status == 202 => {
                let mut acknowledged = acknowledged.lock().expect("no holder of this lock panics");
                acknowledged.extend(events.into_iter().map(|event| event.sid));
            }
            // Too busy: nothing of it was stored.
            Ok(_) => tokio::time::sleep(AFTER_BUSY).await,
            Err(_) => return,
        }
    }
}

/// What the source knows, and what the relying party does.
struct Told {
    acknowledged: HashSet<String>,
    arrivals: Vec<Arrival>,
    /// When the new process was started.
    started: i64,
}

impl Told {
    fn sum_up(self, waiting: usize, ready_after: Duration, all_settled: bool) -> Recovery {
        let mut arrivals: HashMap<&str, Vec<i64>> = HashMap::new();
        for arrival in self.arrivals.iter().filter(|it| self.acknowledged.contains(&it.sid)) {
            arrivals.entry(&arrival.sid).or_default().push(arrival.at);
        }
        let first_times = arrivals.values().filter_map(|times| times.iter().min());
        let owed: Vec<i64> = first_times.copied().filter(|at| *at >= self.started).collect();
        let since_start = |at: i64| millis(at - self.started);
        let lost = self.acknowledged.len() - arrivals.len();
        Recovery {
            waiting,
            acknowledged: self.acknowledged.len(),
            owed: owed.len() + lost,
            ready_ms: ready_after.as_secs_f64() * 1e3,
            first_delivery_ms: owed.iter().copied().min().map(since_start),
            last_delivery_ms: owed.iter().copied().max().map(since_start),
            lost,
            repeated: arrivals.values().filter(|times| times.len() > 1).count(),
            all_settled,
        }
    }
}

impl Recovery {
    fn table(&self) -> Table {
        let mut table =
            Table::new("recovery: kill -9 under load, and the service started again", ["", "", "unit"]);
        let mut row = |name: &str, value: String, unit: &str| {
            table.row([name.to_owned(), value, unit.to_owned()]);
        };
        let tenths = |value: f64| format!("{value:.1}");
        let or_never = |value: Option<f64>| value.map_or("never".to_owned(), tenths);
        row("deliveries waiting for a client that hangs", self.waiting.to_string(), "");
        row("events acknowledged before the kill", self.acknowledged.to_string(), "");
        row("of these, tokens that had not arrived before it", self.owed.to_string(), "");
        row("start of the process until /readyz is 200", tenths(self.ready_ms), "ms");
        row("until the first of these tokens arrived", or_never(self.first_delivery_ms), "ms");
        row("until the last had", or_never(self.last_delivery_ms), "ms");
        row("tokens that never arrived", self.lost.to_string(), "");
        row("sessions that were told of twice", self.repeated.to_string(), "");
        if !self.all_settled {
            table.note(format!("Not everything was settled after {PATIENCE:?}."));
        }
        table
    }
}
