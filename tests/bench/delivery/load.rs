//! The load: events pushed as fast as they are taken, or one at a time at a steady pace.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::events::{Event, single};
use crate::http::Connection;
use crate::samples::now_micros;

/// How long after a 503 the same request is tried again.
const AFTER_BUSY: Duration = Duration::from_millis(10);

/// How often, before the service is given up.
const BUSY_AT_MOST: u32 = 3_000;

/// Sends the requests over so many connections, each as soon as the last was answered. Returns when all
/// are acknowledged.
pub async fn push(
    server: SocketAddr,
    requests: impl Iterator<Item = Vec<u8>> + Send + 'static,
    connections: usize,
) -> anyhow::Result<()> {
    let requests = Arc::new(Mutex::new(requests));
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let requests = Arc::clone(&requests);
        workers.spawn(async move {
            let mut connection = Connection::open(server).await?;
            loop {
                let Some(request) = lock(&requests).next() else { return anyhow::Ok(()) };
                report(&mut connection, &request).await?;
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.context("a source panicked")??;
    }
    Ok(())
}

/// Sends one event after the other at this pace, whether or not the earlier ones were answered: a service
/// that is slow does not slow its sources down. Returns when each was sent, by `sid`.
pub async fn pace(
    server: SocketAddr,
    events: Vec<Event>,
    every: Duration,
) -> anyhow::Result<HashMap<String, i64>> {
    let idle: Arc<Mutex<Vec<Connection>>> = Arc::default();
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    for event in events {
        ticks.tick().await;
        let idle = Arc::clone(&idle);
        requests.spawn(async move {
            let kept = lock(&idle).pop();
            let mut connection = match kept {
                Some(connection) => connection,
                None => Connection::open(server).await?,
            };
            let request = single(server, &event);
            let sent = now_micros();
            report(&mut connection, &request).await?;
            lock(&idle).push(connection);
            anyhow::Ok((event.sid, sent))
        });
    }
    let mut sent = HashMap::with_capacity(requests.len());
    while let Some(ended) = requests.join_next().await {
        sent.extend([ended.context("a source panicked")??]);
    }
    Ok(sent)
}

/// Sends a request until it is acknowledged, as long as the service is only busy.
async fn report(connection: &mut Connection, request: &[u8]) -> anyhow::Result<()> {
    for _ in 0..BUSY_AT_MOST {
        let answer = connection.send(request).await.context("an event could not be reported")?;
        match answer.status {
            202 => return Ok(()),
            503 => tokio::time::sleep(AFTER_BUSY).await,
            status => {
                bail!("an event was answered {status}: {}", String::from_utf8_lossy(&answer.body))
            }
        }
    }
    bail!("the service was busy all the time")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
