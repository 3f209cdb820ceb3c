//! From the report of an event to its token at the relying party, at a steady pace.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use crate::bench::{Bench, DEFAULT_PER_CLIENT, HEALTHY, Outcome};
use crate::events::Terminations;
use crate::load::pace;
use crate::relying_party::RelyingParty;
use crate::samples::Latency;
use crate::service::Service;
use crate::table::Table;

/// Between two events: 100 a second.
const EVERY: Duration = Duration::from_millis(10);

/// How long the last tokens are waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Events that were reported at a steady pace, and what became of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Paced {
    pub events: usize,
    /// Tokens that had not come after a minute's patience: none of the times.
    pub missing: usize,
    pub latency: Latency,
}

pub async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let setup = bench.setup(DEFAULT_PER_CLIENT, &[bench.healthy()])?;
    let service = Service::start(&setup).await?;
    warm_up(&service, &bench.rp).await?;
    let paced = measure(&service, &bench.rp, bench.sizes.pace_for).await?;
    service.stop().await?;
    let mut table = table("latency: from the report of an event to its token at the relying party, ES256");
    table.row(row("100 events/s", &paced));
    Outcome::new(&paced, vec![table], Vec::new())
}

/// Connections are made, caches filled.
pub async fn warm_up(service: &Service, rp: &RelyingParty) -> anyhow::Result<()> {
    measure(service, rp, Duration::from_millis(500)).await.map(drop)
}

/// Reports 100 events a second for the healthy client.
pub async fn measure(service: &Service, rp: &RelyingParty, length: Duration) -> anyhow::Result<Paced> {
    let count = usize::try_from(length.as_millis() / EVERY.as_millis())?;
    let events = Terminations::at([HEALTHY]).take(count);
    rp.begin(count as u64, true).await?;
    let sent = pace(service.server, events, EVERY).await?;
    // What is missing after that is counted below.
    let _ = rp.reached(PATIENCE).await;

    let mut arrived: HashMap<String, i64> = HashMap::with_capacity(count);
    for arrival in rp.arrivals().await? {
        // A delivery can be made twice; the first counts.
        let at = arrived.entry(arrival.sid).or_insert(arrival.at);
        *at = arrival.at.min(*at);
    }
    let micros: Vec<i64> = sent.iter().filter_map(|(sid, sent)| Some(arrived.get(sid)? - sent)).collect();
    let missing = sent.len() - micros.len();
    let Some(latency) = Latency::of(micros) else { anyhow::bail!("no token arrived within {PATIENCE:?}") };
    Ok(Paced { events: sent.len(), missing, latency })
}

/// A table for such figures.
pub fn table(title: &str) -> Table {
    Table::new(title, ["", "events", "missing", "p50 ms", "p99 ms", "max ms"])
}

/// A row of it.
pub fn row(name: &str, paced: &Paced) -> [String; 6] {
    let millis = |value: f64| format!("{value:.2}");
    [
        name.to_owned(),
        paced.events.to_string(),
        paced.missing.to_string(),
        millis(paced.latency.p50_ms),
        millis(paced.latency.p99_ms),
        millis(paced.latency.max_ms),
    ]
}
