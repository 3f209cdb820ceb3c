//! Serving HTTP/1.1 and HTTP/2 on a listener's connections, in place of `axum::serve`, which has no limits: closes idle
//! connections, connections whose peers do not read, and surplus ones.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::listen::body::RequestBody;
use crate::listen::connections::{Connection, Connections, TimeLimit};
use crate::listen::limits::Limits;
use crate::listen::stall::StallDetector;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::ClosedReason;

/// HTTP/2 keep-alive: the interval between PING frames, and how long a peer may take to acknowledge one.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The read buffer of an HTTP/1.1 connection, in bytes: it limits a request's head, and how far a body is read ahead.
const READ_AHEAD: usize = 64 * 1024;

/// The most concurrent streams of an HTTP/2 connection: a peer can leave all of their responses unread.
const MAX_STREAMS: u32 = 100;

/// A connection that has been idle for this long has most likely delivered its last response.
const RESPONSE_READ_AFTER: Duration = Duration::from_secs(1);

/// How a listener's connections are served.
pub struct Service<H> {
    /// The listener's name, for the metrics.
    pub listener: &'static str,
    /// The limits of its connections.
    pub limits: Limits,
    /// Where connections are counted.
    pub metrics: Arc<Metrics>,
    /// Answers a request of the peer with this address.
    pub handle: H,
}

/// Serves the connections of a listener until `draining` completes; then accepts no more, and returns when the requests in
/// flight are answered.
pub async fn serve<L, H, F>(mut listener: L, service: Service<H>, draining: impl Future<Output = ()>)
where
    L: Listener<Addr = SocketAddr>,
    H: Fn(SocketAddr, Request<RequestBody>) -> F + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let service = Arc::new(service);
    let connections = Connections::new(service.limits.connections);
    let (tasks, drain) = (TaskTracker::new(), CancellationToken::new());
    let mut draining = pin!(draining);
    loop {
        let next = async {
            let (io, peer) = listener.accept().await;
            (io, peer, connections.admit().await)
        };
        let (io, peer, connection) = tokio::select! {
            accepted = next => accepted,
            () = &mut draining => break,
        };
        tasks.spawn(serve_one(io, peer, connection, Arc::clone(&service), drain.clone()));
    }
    drop(listener);
    drain.cancel();
    tasks.close();
    tasks.wait().await;
}

async fn serve_one<I, H, F>(
    io: I,
    peer: SocketAddr,
    connection: Arc<Connection>,
    service: Arc<Service<H>>,
    drain: CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Fn(SocketAddr, Request<RequestBody>) -> F + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let Service { listener, limits, ref metrics, .. } = *service;
    let _counted = Counted::new(listener, metrics);
    let answer = {
        let (service, connection) = (Arc::clone(&service), Arc::clone(&connection));
        service_fn(move |request: Request<Incoming>| {
            let in_flight = connection.begin_request();
            let request = request.map(|body| RequestBody::new(body, service.limits.body));
            let answer = (service.handle)(peer, request);
            async move {
                let answer = answer.await;
                drop(in_flight);
                Ok::<_, Infallible>(answer)
            }
        })
    };
    let io = TokioIo::new(StallDetector::new(io, Arc::clone(&connection)));
    let mut serving = pin!(builder(&limits).serve_connection(io, answer).into_owned());

    let reason = tokio::select! {
        ended = serving.as_mut() => return note(ended),
        limit = connection.over_limit(&limits) => Some(limit.into()),
        () = connection.evicted() => Some(ClosedReason::crowded_out),
        () = drain.cancelled() => None,
    };
    if let Some(reason) = reason {
        metrics.listeners.closed(listener, reason);
        if !may_read_response(&connection, reason) {
            return;
        }
    }
    serving.as_mut().graceful_shutdown();
    if reason.is_some() {
        if let Ok(ended) = timeout(limits.farewell, serving).await {
            note(ended);
        }
        return;
    }
    tokio::select! {
        ended = serving => note(ended),
        limit = connection.over_limit(&limits) => metrics.listeners.closed(listener, limit.into()),
    }
}

/// Whether the peer may still read a response, so that a graceful shutdown is worth its time. An eviction must not delay the
/// connection that it makes room for.
fn may_read_response(connection: &Connection, reason: ClosedReason) -> bool {
    match reason {
        ClosedReason::stalled => false,
        ClosedReason::idle => connection.has_had_request(),
        ClosedReason::crowded_out => {
            connection.has_had_request() && connection.idle_for() < RESPONSE_READ_AFTER
        }
    }
}

fn note(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::trace!(error = %error, "a connection ended");
    }
}

impl From<TimeLimit> for ClosedReason {
    fn from(limit: TimeLimit) -> Self {
        match limit {
            TimeLimit::Idle => Self::idle,
            TimeLimit::Stalled => Self::stalled,
        }
    }
}

/// Counts a connection as open until it is dropped.
struct Counted {
    listener: &'static str,
    metrics: Arc<Metrics>,
}

impl Counted {
    fn new(listener: &'static str, metrics: &Arc<Metrics>) -> Self {
        metrics.listeners.opened(listener);
        Self { listener, metrics: Arc::clone(metrics) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.listeners.ended(self.listener);
    }
}

/// The flow-control window of HTTP/2 streams and connections, in bytes: as much as [`READ_AHEAD`] over HTTP/1.1. The peer
/// holds bodies back until they are read.
const HTTP2_WINDOW: u32 = 64 * 1024;

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.idle).max_buf_size(READ_AHEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(HTTP2_WINDOW)
        .initial_connection_window_size(HTTP2_WINDOW)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

#[cfg(test)]
mod tests;
