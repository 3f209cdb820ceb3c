//! Serving connections: HTTP/1.1 and HTTP/2, with an end to the patience for peers that do not ask.
//!
//! What `axum::serve` does, which has no such limits: whoever connects and says nothing would hold a socket
//! for ever. It knows nothing of what is asked or answered.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;

/// How long a peer may take for a request's headers, the time before their first byte included: so long is an
/// idle connection kept, too.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often an HTTP/2 peer is asked whether it is still there, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_PATIENCE: Duration = Duration::from_secs(10);

/// Serves the connections of a listener until `draining` is over; then takes no more, and returns when the
/// requests under way are answered.
pub async fn serve<L, H, F>(mut listener: L, handle: H, draining: impl Future<Output = ()>)
where
    L: Listener<Addr = SocketAddr>,
    H: Fn(SocketAddr, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let connections = GracefulShutdown::new();
    let mut draining = pin!(draining);
    loop {
        let (io, peer) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut draining => break,
        };
        let asked = Arc::new(AtomicBool::new(false));
        let (handle, has_asked) = (handle.clone(), Arc::clone(&asked));
        let service = service_fn(move |request| {
            has_asked.store(true, Ordering::Relaxed);
            let answer = handle(peer, request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let connection = builder().serve_connection(TokioIo::new(io), service).into_owned();
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            // Before the first request it is not even known which HTTP this is, and hyper waits for ever.
            let first = tokio::time::timeout(PATIENCE, connection.as_mut()).await;
            let ended = match first {
                Ok(ended) => ended,
                Err(_) if asked.load(Ordering::Relaxed) => connection.await,
                Err(_) => return,
            };
            if let Err(error) = ended {
                tracing::trace!(error = %error, "a connection ended");
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder
        .http2()
        .timer(TokioTimer::new())
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
    }

    /// Answers after `takes`.
    fn start(takes: Duration) -> Served {
        let (connect, given) = mpsc::unbounded_channel();
        let (drain, draining) = oneshot::channel::<()>();
        let handle = move |_, _| async move {
            tokio::time::sleep(takes).await;
            Response::new("answered".into())
        };
        let serving = tokio::spawn(serve(Given(given), handle, async { drop(draining.await) }));
        Served { connect, drain, serving }
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
        let served = start(PATIENCE * 3);
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
}
