//! Serving connections: HTTP/1.1 and HTTP/2, with an end to the patience for peers that do not ask, do not read,
//! or do not get on with it, and to how many of them there are.
//!
//! What `axum::serve` does, which has no such limits: whoever connects and says nothing would hold a socket
//! for ever. It knows nothing of what is asked or answered.

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

use super::body::RequestBody;
use super::connections::{Connections, Overdue, Place};
use super::limits::Limits;
use super::watched::Watched;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::ClosedReason;

/// How often an HTTP/2 peer is asked whether it is still there, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of a request's head and of what is read ahead of a body, for each HTTP/1.1 connection.
const READ_AHEAD: usize = 64 * 1024;

/// How many requests an HTTP/2 peer may have open: it may let them all wait for it to read.
const MAX_STREAMS: u32 = 100;

/// After so long an answer has most likely been taken.
const TAKEN_WITHIN: Duration = Duration::from_secs(1);

/// How a listener's connections are served.
pub struct Service<H> {
    /// The listener's name, for the metrics.
    pub listener: &'static str,
    /// What its peers may hold.
    pub limits: Limits,
    /// Where connections are counted.
    pub metrics: Arc<Metrics>,
    /// What answers a request of a peer.
    pub handle: H,
}

/// Serves the connections of a listener until `draining` is over; then takes no more, and returns when the
/// requests under way are answered.
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
            (io, peer, connections.place().await)
        };
        let (io, peer, place) = tokio::select! {
            accepted = next => accepted,
            () = &mut draining => break,
        };
        tasks.spawn(serve_one(io, peer, place, Arc::clone(&service), drain.clone()));
    }
    drop(listener);
    drain.cancel();
    tasks.close();
    tasks.wait().await;
}

async fn serve_one<I, H, F>(
    io: I,
    peer: SocketAddr,
    place: Arc<Place>,
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
        let (service, place) = (Arc::clone(&service), Arc::clone(&place));
        service_fn(move |request: Request<Incoming>| {
            let answering = place.answering();
            let request = request.map(|body| RequestBody::new(body, service.limits.body));
            let answer = (service.handle)(peer, request);
            async move {
                let answer = answer.await;
                drop(answering);
                Ok::<_, Infallible>(answer)
            }
        })
    };
    let io = TokioIo::new(Watched::new(io, Arc::clone(&place)));
    let mut connection = pin!(builder(&limits).serve_connection(io, answer).into_owned());

    let reason = tokio::select! {
        ended = connection.as_mut() => return note(ended),
        overdue = place.overdue(&limits) => Some(overdue.into()),
        () = place.crowded_out() => Some(ClosedReason::crowded_out),
        () = drain.cancelled() => None,
    };
    if let Some(reason) = reason {
        metrics.listeners.closed(listener, reason);
        // Whoever has never asked, or does not read, is told nothing; nor does another wait for a place until one
        // that was answered long ago has taken note.
        let at_once = match reason {
            ClosedReason::stalled => true,
            ClosedReason::idle => !place.has_asked(),
            ClosedReason::crowded_out => !place.has_asked() || place.quiet_for() >= TAKEN_WITHIN,
        };
        if at_once {
            return;
        }
    }
    connection.as_mut().graceful_shutdown();
    if reason.is_some() {
        // Answers that were begun are finished, if the peer takes them.
        if let Ok(ended) = timeout(limits.farewell, connection).await {
            note(ended);
        }
        return;
    }
    tokio::select! {
        ended = connection => note(ended),
        overdue = place.overdue(&limits) => metrics.listeners.closed(listener, overdue.into()),
    }
}

fn note(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::trace!(error = %error, "a connection ended");
    }
}

impl From<Overdue> for ClosedReason {
    fn from(overdue: Overdue) -> Self {
        match overdue {
            Overdue::Idle => Self::idle,
            Overdue::Stalled => Self::stalled,
        }
    }
}

/// A connection among those that are open, until it is dropped.
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

/// What a peer may send over HTTP/2 before it is read, in bytes: as much as [`READ_AHEAD`] over HTTP/1.1. Bodies wait on
/// the wire until there is memory for them.
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
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_PATIENCE);
    builder
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    /// Accepts what it is given.
    struct Given(mpsc::UnboundedReceiver<DuplexStream>);

    impl Listener for Given {
        type Io = DuplexStream;
        type Addr = SocketAddr;

        async fn accept(&mut self) -> (DuplexStream, SocketAddr) {
            match self.0.recv().await {
                Some(stream) => (stream, self.local_addr().expect("it has one")),
                None => std::future::pending().await,
            }
        }

        fn local_addr(&self) -> std::io::Result<SocketAddr> {
            Ok(([127, 0, 0, 1], 1).into())
        }
    }

    struct Served {
        connect: mpsc::UnboundedSender<DuplexStream>,
        drain: oneshot::Sender<()>,
        serving: tokio::task::JoinHandle<()>,
        metrics: Arc<Metrics>,
    }

    impl Served {
        /// How many connections were closed for this reason.
        fn closed(&self, reason: &str) -> u64 {
            self.count(&format!(
                "logoutd_listener_connections_closed_total{{listener=\"server\",reason=\"{reason}\"}} "
            ))
        }

        fn open(&self) -> u64 {
            self.count("logoutd_listener_connections{listener=\"server\"} ")
        }

        fn count(&self, series: &str) -> u64 {
            let text = self.metrics.encode();
            text.lines().find_map(|line| line.strip_prefix(series)).map_or(0, |count| count.parse().unwrap())
        }
    }

    const LIMITS: Limits = Limits {
        connections: 100,
        idle: Duration::from_mins(1),
        stall: Duration::from_secs(30),
        body: Duration::from_mins(1),
        farewell: Duration::from_secs(5),
    };

    /// Answers after `takes`.
    fn start(takes: Duration) -> Served {
        start_with(LIMITS, move |_, _| async move {
            tokio::time::sleep(takes).await;
            Response::new("answered".into())
        })
    }

    fn start_with<F: Future<Output = Response> + Send + 'static>(
        limits: Limits,
        handle: impl Fn(SocketAddr, Request<RequestBody>) -> F + Send + Sync + 'static,
    ) -> Served {
        let (connect, given) = mpsc::unbounded_channel();
        let (drain, draining) = oneshot::channel::<()>();
        let metrics = Arc::new(Metrics::new());
        let service = Service { listener: "server", limits, metrics: Arc::clone(&metrics), handle };
        let serving = tokio::spawn(serve(Given(given), service, async { drop(draining.await) }));
        Served { connect, drain, serving, metrics }
    }

    fn connect(served: &Served) -> DuplexStream {
        let (ours, theirs) = duplex(4096);
        served.connect.send(theirs).unwrap();
        ours
    }

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

    #[tokio::test(start_paused = true)]
    async fn whoever_says_nothing_or_stops_in_the_middle_is_let_go() {
        let served = start(Duration::ZERO);
        for said in [&b""[..], b"G", b"GET / HTTP/1.1\r\nhost: local", b"PRI * HTTP/2.0\r\n"] {
            let mut peer = connect(&served);
            peer.write_all(said).await.unwrap();
            let mut rest = Vec::new();
            peer.read_to_end(&mut rest).await.unwrap();
            assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
        }
        // One who has asked, and then says nothing.
        let mut peer = connect(&served);
        peer.write_all(REQUEST).await.unwrap();
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).await.unwrap();
        assert!(rest.starts_with(b"HTTP/1.1 200"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_its_time() {
        let served = start(LIMITS.idle * 3);
        let mut peer = connect(&served);
        peer.write_all(REQUEST).await.unwrap();
        let mut start = [0; 12];
        peer.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
    }

    #[tokio::test(start_paused = true)]
    async fn draining_answers_what_is_under_way_and_takes_no_more() {
        let served = start(Duration::from_secs(5));
        let (mut asking, mut idle) = (connect(&served), connect(&served));
        asking.write_all(REQUEST).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        served.drain.send(()).unwrap();
        served.serving.await.unwrap();
        let mut answer = Vec::new();
        asking.read_to_end(&mut answer).await.unwrap();
        assert!(answer.ends_with(b"answered"), "{}", String::from_utf8_lossy(&answer));
        assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0, "nobody waits for one who does not ask");
    }

    /// An HTTP/2 peer that answers every ping, and says nothing of its own after `begins` with; up to `most` pings.
    async fn answer_pings(peer: &mut DuplexStream, begins: &[u8], most: usize) -> usize {
        const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        for bytes in [PREFACE, &SETTINGS, begins] {
            peer.write_all(bytes).await.unwrap();
        }
        let mut pings = 0;
        while pings < most {
            let mut head = [0; 9];
            if peer.read_exact(&mut head).await.is_err() {
                break;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            if peer.read_exact(&mut payload).await.is_err() {
                break;
            }
            // A PING that is no answer itself (RFC 9113 §6.7).
            if head[3] == 6 && head[4] & 1 == 0 {
                pings += 1;
                head[4] = 1;
                if peer.write_all(&[&head[..], &payload].concat()).await.is_err() {
                    break;
                }
            }
        }
        pings
    }

    /// `GET /` on stream 1, by the static table (RFC 7541, Appendix A): method, scheme, path, authority.
    const H2_REQUEST: [u8; 15] = [0, 0, 6, 1, 0x5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 0x01, b'a'];

    #[tokio::test(start_paused = true)]
    async fn an_http2_peer_that_only_answers_pings_is_let_go() {
        let served = start(Duration::ZERO);
        for begins in [&b""[..], &H2_REQUEST] {
            let mut peer = connect(&served);
            let pings = answer_pings(&mut peer, begins, 100).await;
            assert!(pings < 10, "{pings} pings, and it is still there");
        }
        assert_eq!((served.closed("idle"), served.open()), (2, 0));
        // One that waits for its answer is kept.
        let served = start(LIMITS.idle * 10);
        let pings = answer_pings(&mut connect(&served), &H2_REQUEST, 10).await;
        assert_eq!((pings, served.closed("idle")), (10, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_is_let_go() {
        let served = start_with(LIMITS, |_, _| async { Response::new("x".repeat(1 << 20).into()) });
        let mut peer = connect(&served);
        // It goes on asking, so that it is never idle.
        while peer.write_all(REQUEST).await.is_ok() {
            tokio::time::sleep(LIMITS.stall / 4).await;
        }
        assert_eq!((served.closed("stalled"), served.open()), (1, 0));
        let mut taken = Vec::new();
        peer.read_to_end(&mut taken).await.unwrap();
        assert!(taken.len() < 1 << 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_a_byte_at_a_time_is_given_up() {
        let read = |_, request: Request<RequestBody>| async {
            let read = axum::body::to_bytes(axum::body::Body::new(request.into_body()), 1 << 20).await;
            let text = if read.is_ok() { "all of it" } else { "given up" };
            Response::new(text.into())
        };
        let served = start_with(LIMITS, read);
        for (every, sent, expected) in [(1, 100, "all of it"), (5_000, 100, "given up")] {
            let (mut reading, mut writing) = tokio::io::split(connect(&served));
            let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {sent}\r\n\r\n");
            writing.write_all(head.as_bytes()).await.unwrap();
            let trickle = tokio::spawn(async move {
                for _ in 0..sent {
                    tokio::time::sleep(Duration::from_millis(every)).await;
                    if writing.write_all(b"x").await.is_err() {
                        break;
                    }
                }
                writing
            });
            let mut answer = Vec::new();
            reading.read_to_end(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.ends_with(expected), "{answer}");
            drop(trickle.await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_asks_gets_in_among_any_number_of_silent_ones() {
        let served = start_with(Limits { connections: 10, ..LIMITS }, |_, _| async {
            Response::new("answered".into())
        });
        let mut silent = Vec::new();
        for _ in 0..5 {
            silent.extend((0..100).map(|_| connect(&served)));
            let mut asking = connect(&served);
            asking.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            asking.read_to_end(&mut answer).await.unwrap();
            assert!(answer.ends_with(b"answered"), "{}", String::from_utf8_lossy(&answer));
            assert!(served.open() <= 10);
        }
        assert_eq!(served.closed("crowded_out"), 491, "all but those beside the last one that asked");

        // Those that asked once, and answer no goodbye, do not keep others out for longer either.
        let mut asked = Vec::new();
        for _ in 0..10 {
            let mut peer = connect(&served);
            answer_pings(&mut peer, &H2_REQUEST, 0).await;
            // It is served before the next one comes.
            assert!(peer.read(&mut [0; 64]).await.unwrap() > 0);
            asked.push(peer);
        }
        tokio::time::sleep(TAKEN_WITHIN).await;
        let began = tokio::time::Instant::now();
        silent.extend((0..10).map(|_| connect(&served)));
        let mut asking = connect(&served);
        asking.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        asking.read_to_end(&mut Vec::new()).await.unwrap();
        assert!(began.elapsed() < LIMITS.farewell, "nobody was waited for");
    }
}
