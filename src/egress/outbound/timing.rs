//! How long the parts of making a connection take, and to which address, told to the request that waits.
//!
//! The HTTP client shows nothing of it, but it connects inside the task that sends: what resolver and
//! connector note goes to that task's own record. A connection that is finished elsewhere, because a kept
//! one became free first, has no record to go to; nor does it belong to the request.

use std::cell::Cell;
use std::net::IpAddr;
use std::time::{Duration, Instant};

tokio::task_local! {
    static RECORD: Cell<Connecting>;
}

/// What was noted while a request was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::egress) struct Connecting {
    /// How long resolving the name took.
    pub(in crate::egress) dns: Option<Duration>,
    /// The first address it resolved to, or the one that it was refused for.
    pub(in crate::egress) address: Option<IpAddr>,
    began: Option<Instant>,
    took: Option<Duration>,
}

impl Connecting {
    /// How long connecting took, TCP and TLS, or has taken so far; `None` if a kept connection was used.
    pub(in crate::egress) fn connect(&self) -> Option<Duration> {
        let whole = self.took.or_else(|| self.began.map(|began| began.elapsed()))?;
        Some(whole.saturating_sub(self.dns.unwrap_or_default()))
    }

    /// All the time it took to have a connection.
    pub(in crate::egress) fn whole(&self) -> Duration {
        self.took.or_else(|| self.began.map(|began| began.elapsed())).unwrap_or_default()
    }
}

/// Runs a request, with a record of its own.
pub(super) async fn recorded<T>(request: impl Future<Output = T>) -> (T, Connecting) {
    RECORD
        .scope(Cell::default(), async {
            let result = request.await;
            (result, RECORD.with(Cell::get))
        })
        .await
}

/// Notes that the name was resolved, or that it could not be.
pub(super) fn note_dns(took: Duration, address: Option<IpAddr>) {
    update(|record| Connecting { dns: Some(took), address, ..record });
}

/// Notes that connecting begins.
pub(super) fn connecting() -> Instant {
    let began = Instant::now();
    update(|record| Connecting { began: Some(began), took: None, ..record });
    began
}

/// Notes that there is a connection, or that there will be none.
pub(super) fn connected(began: Instant) {
    update(|record| Connecting { took: Some(began.elapsed()), ..record });
}

fn update(change: impl FnOnce(Connecting) -> Connecting) {
    // Without a record the connection is nobody's.
    let _ = RECORD.try_with(|record| record.set(change(record.get())));
}
