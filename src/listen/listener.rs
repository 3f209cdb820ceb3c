//! Accepting connections and doing their TLS handshakes concurrently, so that a slow peer does not delay others.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::descriptors::handshakes;
use super::tls::Tls;
use crate::telemetry::metrics::HandshakeOutcome;

/// How long accepting pauses after it failed for want of resources.
const PAUSE: Duration = Duration::from_secs(1);

/// Limits of handshakes.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// How long one may take.
    timeout: Duration,
    /// How many may be in progress.
    at_a_time: usize,
    /// How long the oldest one may still take when another connection waits: a handshake takes a few round trips.
    grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), at_a_time: 1024, grace: Duration::from_secs(1) }
    }
}

/// A listener that returns connections after their handshake.
///
/// Dropping it aborts the handshakes in progress.
#[derive(Debug)]
pub struct TlsListener {
    tcp: TcpListener,
    tls: Tls,
    limits: Limits,
    handshakes: JoinSet<(u64, Option<Accepted>)>,
    /// The handshakes in progress that were not aborted, by age.
    in_progress: BTreeMap<u64, Handshake>,
    next_number: u64,
    /// Accepted, and waiting for its handshake to begin.
    waiting: Option<(TcpStream, SocketAddr)>,
    paused_until: Option<Instant>,
}

type Accepted = (TlsStream<TcpStream>, SocketAddr);

#[derive(Debug)]
struct Handshake {
    since: Instant,
    task: AbortHandle,
}

impl TlsListener {
    /// Accepts connections of `tcp` with the current certificate of `tls`. `connections` is how many are served at a time.
    pub fn new(tcp: TcpListener, tls: Tls, connections: usize) -> Self {
        let limits = Limits { at_a_time: handshakes(connections), ..Limits::default() };
        Self::with_limits(tcp, tls, limits)
    }

    fn with_limits(tcp: TcpListener, tls: Tls, limits: Limits) -> Self {
        Self {
            tcp,
            tls,
            limits,
            handshakes: JoinSet::new(),
            in_progress: BTreeMap::new(),
            next_number: 0,
            waiting: None,
            paused_until: None,
        }
    }

    fn begin(&mut self, stream: TcpStream, peer: SocketAddr) {
        let number = self.next_number;
        self.next_number += 1;
        let (tls, limit) = (self.tls.clone(), self.limits.timeout);
        let task = self.handshakes.spawn(async move {
            let stream = shake_hands(&tls, stream, peer, limit).await;
            (number, stream.map(|stream| (stream, peer)))
        });
        self.in_progress.insert(number, Handshake { since: Instant::now(), task });
    }

    /// Aborts the oldest handshake, for a connection that waits.
    fn abort_oldest(&mut self) {
        if let Some((_, oldest)) = self.in_progress.pop_first() {
            oldest.task.abort();
            self.tls.metrics().handshake(self.tls.listener(), HandshakeOutcome::crowded_out);
        }
    }

    fn not_accepted(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        // The peer disconnected meanwhile.
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            return;
        }
        // Most likely there are no file descriptors left: they come back as connections end.
        tracing::error!(listener = self.tls.listener(), %error, "no connection can be accepted for now");
        self.paused_until = Some(Instant::now() + PAUSE);
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    // Cancel safe: all state is in `self`.
    async fn accept(&mut self) -> Accepted {
        loop {
            if self.in_progress.len() < self.limits.at_a_time
                && let Some((stream, peer)) = self.waiting.take()
            {
                self.begin(stream, peer);
            }
            let waiting = self.waiting.is_some();
            let oldest = self.in_progress.first_key_value().map_or_else(Instant::now, |(_, it)| it.since);
            tokio::select! {
                Some(ended) = self.handshakes.join_next() => match ended {
                    Ok((number, accepted)) => {
                        self.in_progress.remove(&number);
                        if let Some(accepted) = accepted {
                            return accepted;
                        }
                    }
                    Err(error) if error.is_cancelled() => {}
                    Err(error) => tracing::error!(%error, "a TLS handshake panicked"),
                },
                accepted = next(&self.tcp, self.paused_until), if !waiting => match accepted {
                    Ok(accepted) => {
                        self.paused_until = None;
                        self.waiting = Some(accepted);
                    }
                    Err(error) => self.not_accepted(&error),
                },
                () = sleep_until(oldest + self.limits.grace), if waiting => self.abort_oldest(),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

async fn next(tcp: &TcpListener, paused_until: Option<Instant>) -> io::Result<(TcpStream, SocketAddr)> {
    if let Some(until) = paused_until {
        sleep_until(until).await;
    }
    tcp.accept().await
}

async fn shake_hands(
    tls: &Tls,
    stream: TcpStream,
    peer: SocketAddr,
    limit: Duration,
) -> Option<TlsStream<TcpStream>> {
    // Small HTTP/2 frames should not be delayed. It fails only on a closed connection.
    let _ = stream.set_nodelay(true);
    let acceptor = TlsAcceptor::from(tls.current().config.clone());
    let (stream, outcome) = match timeout(limit, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => (Some(stream), HandshakeOutcome::completed),
        Ok(Err(error)) => {
            tracing::debug!(listener = tls.listener(), %peer, %error, "a TLS handshake failed");
            (None, HandshakeOutcome::failed)
        }
        Err(_) => {
            tracing::debug!(listener = tls.listener(), %peer, "a TLS handshake took too long");
            (None, HandshakeOutcome::timed_out)
        }
    };
    tls.metrics().handshake(tls.listener(), outcome);
    stream
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::listen::test_support::{Authority, Fixture};

    const HOUR: Duration = Duration::from_hours(1);

    async fn listener(fixture: &Fixture, limits: Limits) -> TlsListener {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        TlsListener::with_limits(tcp, fixture.open(), limits)
    }

    #[tokio::test]
    async fn the_oldest_handshakes_are_aborted_for_a_new_one() {
        let authority = Authority::new();
        let fixture = Fixture::new(&authority);
        let limits = Limits { timeout: HOUR, at_a_time: 3, grace: Duration::from_millis(20) };
        let mut listener = listener(&fixture, limits).await;
        let address = listener.local_addr().unwrap();
        let mut silent = Vec::new();
        for _ in 0..6 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let client = tokio::spawn(authority.clone().connect(address));
        let (_stream, peer) = listener.accept().await;
        let client = client.await.unwrap();
        assert_eq!(client.get_ref().0.local_addr().unwrap(), peer);
        assert_eq!(fixture.handshakes("crowded_out"), 4);
        assert_eq!(fixture.handshakes("completed"), 1);
    }

    #[tokio::test]
    async fn a_handshake_that_takes_too_long_is_aborted() {
        let authority = Authority::new();
        let fixture = Fixture::new(&authority);
        let limits = Limits { timeout: Duration::from_millis(20), at_a_time: 3, grace: HOUR };
        let mut listener = listener(&fixture, limits).await;
        let mut silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let accepting = tokio::spawn(async move { listener.accept().await });
        assert_eq!(silent.read(&mut [0; 16]).await.unwrap(), 0, "the connection is closed");
        assert_eq!(fixture.handshakes("timed_out"), 1);
        accepting.abort();
    }
}
