//! How long resolving and connecting took, and the address, for the request that needed the connection.
//!
//! The HTTP client does not report them. But it connects within the task that sends the request, so the resolver and
//! the connector write to a task-local record. If a pooled connection becomes free first, the new connection is
//! completed in another task, which has no record: it is not the request's connection either.

use std::cell::Cell;
use std::net::IpAddr;
use std::time::{Duration, Instant};

tokio::task_local! {
    static RECORD: Cell<ConnectTiming>;
}

/// What was recorded while a request was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::egress) struct ConnectTiming {
    /// How long resolving the name took.
    pub(in crate::egress) dns: Option<Duration>,
    /// The first address of the name, or the forbidden one that made it unusable.
    pub(in crate::egress) address: Option<IpAddr>,
    began: Option<Instant>,
    took: Option<Duration>,
}

impl ConnectTiming {
    /// How long connecting took, TCP and TLS, or has taken so far; `None` if a pooled connection was used.
    pub(in crate::egress) fn connect(&self) -> Option<Duration> {
        let whole = self.took.or_else(|| self.began.map(|began| began.elapsed()))?;
        Some(whole.saturating_sub(self.dns.unwrap_or_default()))
    }

    /// How long it took to have a connection, resolving included.
    pub(in crate::egress) fn total(&self) -> Duration {
        self.took.or_else(|| self.began.map(|began| began.elapsed())).unwrap_or_default()
    }
}

/// Runs a request with a record of its own.
pub(super) async fn recorded<T>(request: impl Future<Output = T>) -> (T, ConnectTiming) {
    RECORD
        .scope(Cell::default(), async {
            let result = request.await;
            (result, RECORD.with(Cell::get))
        })
        .await
}

/// Records that resolving the name ended.
pub(super) fn record_dns(took: Duration, address: Option<IpAddr>) {
    update(|record| ConnectTiming { dns: Some(took), address, ..record });
}

/// Records that connecting begins.
pub(super) fn record_connecting() -> Instant {
    let began = Instant::now();
    update(|record| ConnectTiming { began: Some(began), took: None, ..record });
    began
}

/// Records that connecting ended, with a connection or without.
pub(super) fn record_connected(began: Instant) {
    update(|record| ConnectTiming { took: Some(began.elapsed()), ..record });
}

fn update(change: impl FnOnce(ConnectTiming) -> ConnectTiming) {
    // Outside a request there is no record.
    let _ = RECORD.try_with(|record| record.set(change(record.get())));
}
