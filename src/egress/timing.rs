//! How long the parts of making a connection take, and to which address, told to the request that waits.
//!
//! The HTTP client shows nothing of it, but it connects inside the task that sends: what resolver and
//! connector note goes to that task's own record. A connection that is finished elsewhere, because a kept
//! one became free first, has no record to go to; nor does it belong to the request.

use std::cell::Cell;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    static RECORD: Cell<Connecting>;
}

/// What was noted while a request was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Connecting {
    /// How long resolving the name took.
    pub(super) dns: Option<Duration>,
    /// The first address it resolved to.
    pub(super) address: Option<IpAddr>,
    began: Option<Instant>,
    took: Option<Duration>,
}

impl Connecting {
    /// How long connecting took, TCP and TLS, or has taken so far; `None` if a kept connection was used.
    pub(super) fn connect(&self) -> Option<Duration> {
        let whole = self.took.or_else(|| self.began.map(|began| began.elapsed()))?;
        Some(whole.saturating_sub(self.dns.unwrap_or_default()))
    }

    /// All the time it took to have a connection.
    pub(super) fn whole(&self) -> Duration {
        self.took.or_else(|| self.began.map(|began| began.elapsed())).unwrap_or_default()
    }

    /// Whether there was no connection yet to send anything on.
    pub(super) fn is_unfinished(&self) -> bool {
        self.began.is_some() && self.took.is_none()
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

fn update(change: impl FnOnce(Connecting) -> Connecting) {
    // Without a record the connection is nobody's.
    let _ = RECORD.try_with(|record| record.set(change(record.get())));
}

/// Notes how long the connector takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectTimer;

impl<S> Layer<S> for ConnectTimer {
    type Service = Timed<S>;

    fn layer(&self, connector: S) -> Timed<S> {
        Timed(connector)
    }
}

/// A connector that is timed.
#[derive(Clone, Debug)]
pub(super) struct Timed<S>(S);

impl<S, R> Service<R> for Timed<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.0.call(request);
        Box::pin(async move {
            let began = Instant::now();
            update(|record| Connecting { began: Some(began), ..record });
            let connection = connecting.await;
            update(|record| Connecting { took: Some(began.elapsed()), ..record });
            connection
        })
    }
}
