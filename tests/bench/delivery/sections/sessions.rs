//! What one session costs among many: to look it up, to end it, to have it expire; and what it costs to find
//! that none has expired.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;
use tokio::time::Instant;

use crate::bench::{Bench, DEFAULT_PER_CLIENT, Outcome};
use crate::events::{get_session, termination_of};
use crate::http::Connection;
use crate::samples::Latency;
use crate::service::{Service, sessions};
use crate::table::{Table, whole};

/// How many sessions are looked up, and how many are ended.
const PICKED: i64 = 2_000;

/// How many expire.
const EXPIRED: i64 = 10_000;

/// How long the service is left alone with nothing to expire.
const IDLE: Duration = Duration::from_secs(5);

/// How often it is looked whether all have ended.
const LOOK: Duration = Duration::from_millis(20);

/// How long they may take.
const PATIENCE: Duration = Duration::from_mins(5);

#[derive(Serialize)]
struct Level {
    sessions: i64,
    store_mib: f64,
    lookup: Latency,
    lookup_cpu_us: f64,
    termination: Latency,
    termination_cpu_us: f64,
    expired: u32,
    expired_per_second: f64,
    expiry_cpu_us: f64,
    /// CPU used in a second with nothing to do, in microseconds.
    idle_cpu_us: f64,
    rss_mib: f64,
}

pub async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let mut levels = Vec::new();
    for sessions in bench.sizes.sessions {
        levels.push(measure(bench, sessions).await?);
    }
    Outcome::new(&levels, vec![table(&levels)], Vec::new())
}

async fn measure(bench: &Bench, sessions: i64) -> anyhow::Result<Level> {
    let setup = bench.setup(DEFAULT_PER_CLIENT, &[bench.healthy()])?;
    // It makes the schema.
    Service::start(&setup).await?.stop().await?;
    let filled = sessions::fill(&setup.store(), sessions, EXPIRED.min(sessions / 10), PICKED * 2).await?;
    let (looked_up, ended) = filled.picked.split_at(filled.picked.len() / 2);

    let began = Instant::now();
    let service = Service::start(&setup).await?;
    while sessions::overdue(&setup.store()).await? > 0 {
        ensure!(began.elapsed() < PATIENCE, "expired sessions did not end within {PATIENCE:?}");
        tokio::time::sleep(LOOK).await;
    }
    let expired_per_second = f64::from(filled.expired) / began.elapsed().as_secs_f64();
    let expiry_cpu_us = service.cpu()?.as_secs_f64() * 1e6 / f64::from(filled.expired);

    let before = service.cpu()?;
    tokio::time::sleep(IDLE).await;
    let idle_cpu_us = service.cpu()?.saturating_sub(before).as_secs_f64() * 1e6 / IDLE.as_secs_f64();

    let requests: Vec<_> = looked_up.iter().map(|sid| get_session(service.management(), sid)).collect();
    let (lookup, lookup_cpu_us) = one_by_one(&service, service.management(), &requests, 200).await?;
    let requests: Vec<_> = ended.iter().map(|sid| termination_of(service.server, sid)).collect();
    let (termination, termination_cpu_us) = one_by_one(&service, service.server, &requests, 202).await?;
    let rss_mib = service.memory()?.rss_mib;
    service.stop().await?;
    let store_mib = f64::from(u32::try_from(std::fs::metadata(setup.store())?.len() / 1024)?) / 1024.0;
    Ok(Level {
        sessions,
        store_mib,
        lookup,
        lookup_cpu_us,
        termination,
        termination_cpu_us,
        expired: filled.expired,
        expired_per_second,
        expiry_cpu_us,
        idle_cpu_us,
        rss_mib,
    })
}

/// Sends requests one after another over one connection.
async fn one_by_one(
    service: &Service,
    to: std::net::SocketAddr,
    requests: &[Vec<u8>],
    status: u16,
) -> anyhow::Result<(Latency, f64)> {
    let mut connection = Connection::open(to).await?;
    let mut micros = Vec::with_capacity(requests.len());
    let before = service.cpu()?;
    for request in requests {
        let began = Instant::now();
        let answer = connection.send(request).await?;
        micros.push(i64::try_from(began.elapsed().as_micros())?);
        ensure!(
            answer.status == status,
            "{} instead of {status}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    let cpu = service.cpu()?.saturating_sub(before).as_secs_f64() * 1e6;
    let count = f64::from(u32::try_from(requests.len())?);
    let latency = Latency::of(micros).ok_or_else(|| anyhow::anyhow!("there was nothing to send"))?;
    Ok((latency, cpu / count))
}

fn table(levels: &[Level]) -> Table {
    let mut table = Table::new(
        "sessions: one among many",
        [
            "sessions",
            "store MiB",
            "lookup p50 ms",
            "p99",
            "cpu µs",
            "end p50 ms",
            "p99",
            "cpu µs",
            "expired/s",
            "cpu µs",
            "idle cpu µs/s",
            "RSS MiB",
        ],
    );
    for level in levels {
        table.row([
            whole(f64::from(i32::try_from(level.sessions).unwrap_or(i32::MAX))),
            whole(level.store_mib),
            format!("{:.2}", level.lookup.p50_ms),
            format!("{:.2}", level.lookup.p99_ms),
            format!("{:.0}", level.lookup_cpu_us),
            format!("{:.2}", level.termination.p50_ms),
            format!("{:.2}", level.termination.p99_ms),
            format!("{:.0}", level.termination_cpu_us),
            whole(level.expired_per_second),
            format!("{:.0}", level.expiry_cpu_us),
            whole(level.idle_cpu_us),
            format!("{:.1}", level.rss_mib),
        ]);
    }
    table.note("lookup: GET /api/v2/sessions/{id}. end: session.terminated, until it is acknowledged, with a delivery.");
    table.note("Both one after another over one connection, of sessions picked over all. cpu: of the service, for each.");
    table.note("expired: sessions without a delivery, all due when the process starts, which is included.");
    table.note("idle: with none that has expired.");
    table
}
