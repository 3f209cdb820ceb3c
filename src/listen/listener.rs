//! Accepting connections and doing their handshakes, side by side, so that a silent peer holds nobody up.

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

/// How long nothing is accepted after the system had no resources for it.
const PAUSE: Duration = Duration::from_secs(1);

/// What handshakes may use.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// How long one may take.
    timeout: Duration,
    /// How many may be under way.
    at_a_time: usize,
    /// How long one keeps its place when another waits for it: an honest one takes a few round trips.
    patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), at_a_time: 1024, patience: Duration::from_secs(1) }
    }
}

/// A listener whose connections have their handshake behind them.
///
/// Handshakes under way when it is dropped are cut off.
#[derive(Debug)]
pub struct TlsListener {
    tcp: TcpListener,
    tls: Tls,
    limits: Limits,
    handshakes: JoinSet<(u64, Option<Accepted>)>,
    /// Those of the handshakes that nobody gave up on, the oldest first.
    places: BTreeMap<u64, Place>,
    next_place: u64,
    /// Accepted, and waiting for a place.
    waiting: Option<(TcpStream, SocketAddr)>,
    paused_until: Option<Instant>,
}

type Accepted = (TlsStream<TcpStream>, SocketAddr);

#[derive(Debug)]
struct Place {
    since: Instant,
    handshake: AbortHandle,
}

impl TlsListener {
    /// Accepts connections of `tcp` with what `tls` has for new ones, for whoever serves this many of them.
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
            places: BTreeMap::new(),
            next_place: 0,
            waiting: None,
            paused_until: None,
        }
    }

    fn begin(&mut self, stream: TcpStream, peer: SocketAddr) {
        let place = self.next_place;
        self.next_place += 1;
        let (tls, limit) = (self.tls.clone(), self.limits.timeout);
        let handshake = self.handshakes.spawn(async move {
            let stream = shake_hands(&tls, stream, peer, limit).await;
            (place, stream.map(|stream| (stream, peer)))
        });
        self.places.insert(place, Place { since: Instant::now(), handshake });
    }

    /// Gives up on the handshake that has taken longest, for another that waits for its place.
    fn give_up_oldest(&mut self) {
        if let Some((_, oldest)) = self.places.pop_first() {
            oldest.handshake.abort();
            self.tls.metrics().handshake(self.tls.listener(), HandshakeOutcome::crowded_out);
        }
    }

    fn not_accepted(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        // These are the peer's doing.
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

    // It may be dropped at any await: all that it knows is in `self`.
    async fn accept(&mut self) -> Accepted {
        loop {
            if self.places.len() < self.limits.at_a_time
                && let Some((stream, peer)) = self.waiting.take()
            {
                self.begin(stream, peer);
            }
            let waiting = self.waiting.is_some();
            let oldest = self.places.first_key_value().map_or_else(Instant::now, |(_, place)| place.since);
            tokio::select! {
                Some(ended) = self.handshakes.join_next() => match ended {
                    Ok((place, accepted)) => {
                        self.places.remove(&place);
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
                () = sleep_until(oldest + self.limits.patience), if waiting => self.give_up_oldest(),
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
    // Small frames of HTTP/2 are not to wait for each other. Where it fails the connection is gone.
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
    use crate::listen::test_support::{Authority, Bench};

    const HOUR: Duration = Duration::from_hours(1);

    async fn listener(bench: &Bench, limits: Limits) -> TlsListener {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        TlsListener::with_limits(tcp, bench.open(), limits)
    }

    #[tokio::test]
    async fn silent_peers_in_every_place_make_room_for_one_who_speaks() {
        let authority = Authority::new();
        let bench = Bench::new(&authority);
        let limits = Limits { timeout: HOUR, at_a_time: 3, patience: Duration::from_millis(20) };
        let mut listener = listener(&bench, limits).await;
        let address = listener.local_addr().unwrap();
        let mut silent = Vec::new();
        for _ in 0..6 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let client = tokio::spawn(authority.clone().connect(address));
        let (_stream, peer) = listener.accept().await;
        let client = client.await.unwrap();
        assert_eq!(client.get_ref().0.local_addr().unwrap(), peer);
        assert_eq!(bench.handshakes("crowded_out"), 4);
        assert_eq!(bench.handshakes("completed"), 1);
    }

    #[tokio::test]
    async fn a_handshake_that_never_ends_is_ended() {
        let authority = Authority::new();
        let bench = Bench::new(&authority);
        let limits = Limits { timeout: Duration::from_millis(20), at_a_time: 3, patience: HOUR };
        let mut listener = listener(&bench, limits).await;
        let mut silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let accepting = tokio::spawn(async move { listener.accept().await });
        assert_eq!(silent.read(&mut [0; 16]).await.unwrap(), 0, "the connection is closed");
        assert_eq!(bench.handshakes("timed_out"), 1);
        accepting.abort();
    }
}
