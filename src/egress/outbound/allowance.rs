//! How much the other side of a connection may send.
//!
//! What it sends is counted below TLS and HTTP, so that nothing in either can be repeated without end: interim
//! responses, frames of HTTP/2, records of TLS. Each request that is handed to a connection allows it so many
//! bytes more; one that brings more is not read any further, and everything on it fails.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::places::Place;

/// How many bytes a connection may still bring.
#[derive(Clone)]
pub(super) struct Allowance(Arc<Mutex<State>>);

struct State {
    /// For each request, in bytes.
    per_request: usize,
    /// How many requests are under way.
    requests: usize,
    left: usize,
    spent: bool,
}

/// A connection brought more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other side sent more than it may for one request")]
pub(super) struct Spent;

impl Allowance {
    /// Of a new connection: as much as for a request, for what comes before the first.
    pub(super) fn new(per_request: usize) -> Self {
        Self(Arc::new(Mutex::new(State { per_request, requests: 0, left: per_request, spent: false })))
    }

    /// A request is handed to the connection.
    pub(super) fn begin(&self) -> Turn {
        let mut state = self.state();
        state.requests += 1;
        state.left = state.left.saturating_add(state.per_request).min(state.most());
        Turn(self.clone())
    }

    /// Nothing more is read.
    pub(super) fn withdraw(&self) {
        let mut state = self.state();
        state.left = 0;
        state.spent = true;
    }

    /// Whether it was not enough, or was withdrawn.
    pub(super) fn is_spent(&self) -> bool {
        self.state().spent
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note that the connection is to be read from.
    fn check(&self) -> Result<(), Spent> {
        let mut state = self.state();
        if state.left == 0 {
            state.spent = true;
        }
        if state.spent { Err(Spent) } else { Ok(()) }
    }

    fn take(&self, bytes: usize) {
        let mut state = self.state();
        state.left = state.left.saturating_sub(bytes);
    }
}

impl State {
    /// The most that may be left: what was not used for earlier requests does not add up.
    fn most(&self) -> usize {
        self.per_request.saturating_mul(self.requests.max(1))
    }
}

impl fmt::Debug for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Allowance")
    }
}

/// A request that is under way. When it is dropped the connection has what it may bring until the next.
#[derive(Debug)]
pub(super) struct Turn(Allowance);

impl Turn {
    /// See [`Allowance::is_spent`].
    pub(super) fn is_spent(&self) -> bool {
        self.0.is_spent()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests = state.requests.saturating_sub(1);
        state.left = if state.requests == 0 { state.per_request } else { state.left.min(state.most()) };
    }
}

/// A connection whose reads are counted, with its place if it is to be kept.
#[derive(Debug)]
pub(super) struct Counted<T> {
    inner: T,
    allowance: Allowance,
    _place: Option<Place>,
}

impl<T> Counted<T> {
    pub(super) fn new(inner: T, allowance: Allowance, place: Option<Place>) -> Self {
        Self { inner, allowance, _place: place }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Err(spent) = self.allowance.check() {
            return Poll::Ready(Err(io::Error::other(spent)));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        // One read may go beyond it, by the reader's buffer at most.
        self.allowance.take(buffer.filled().len() - before);
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<T: Connection> Connection for Counted<T> {
    /// With the allowance, for those who hand requests to it.
    fn connected(&self) -> Connected {
        self.inner.connected().extra(self.allowance.clone())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn brings(connection: &mut Counted<&[u8]>, bytes: usize) -> io::Result<usize> {
        let mut buffer = vec![0; bytes];
        connection.read(&mut buffer).await
    }

    #[tokio::test]
    async fn a_connection_may_bring_so_much_for_each_request_and_no_more() {
        let endless = vec![b'x'; 1000];
        let allowance = Allowance::new(10);
        let mut connection = Counted::new(&endless[..], allowance.clone(), None);
        assert_eq!(brings(&mut connection, 8).await.unwrap(), 8);
        for _ in 0..3 {
            // What is left over does not add up.
            let turn = allowance.begin();
            assert_eq!(brings(&mut connection, 6).await.unwrap(), 6);
            assert!(!turn.is_spent());
        }
        let (one, two) = (allowance.begin(), allowance.begin());
        assert_eq!(brings(&mut connection, 20).await.unwrap(), 20);
        assert!(!one.is_spent());
        let error = brings(&mut connection, 1).await.unwrap_err();
        assert_eq!(error.get_ref().and_then(|it| it.downcast_ref()), Some(&Spent));
        assert!(one.is_spent() && two.is_spent());
        // It stays so, whatever comes later.
        drop((one, two));
        let _third = allowance.begin();
        assert!(brings(&mut connection, 1).await.is_err());
    }

    #[tokio::test]
    async fn an_idle_connection_has_a_limit_too() {
        let endless = vec![b'x'; 1000];
        let allowance = Allowance::new(10);
        let mut connection = Counted::new(&endless[..], allowance.clone(), None);
        drop(allowance.begin());
        assert_eq!(brings(&mut connection, 10).await.unwrap(), 10);
        assert!(brings(&mut connection, 1).await.is_err());
    }

    #[tokio::test]
    async fn what_is_withdrawn_is_gone() {
        let allowance = Allowance::new(10);
        let mut connection = Counted::new(&b"abc"[..], allowance.clone(), None);
        let turn = allowance.begin();
        allowance.withdraw();
        assert!(turn.is_spent());
        assert!(brings(&mut connection, 1).await.is_err());
    }
}
