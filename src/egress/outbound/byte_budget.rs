//! A limit on the bytes that a peer may send.
//!
//! They are counted below TLS and HTTP, which bounds everything that can be repeated in either: interim responses,
//! HTTP/2 frames, TLS records. Each request on a connection adds to the connection's budget. When the budget is
//! exceeded, the connection is not read any further, and all requests on it fail.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pool_limit::PoolPermit;

/// The bytes that may still be received on a connection.
#[derive(Clone)]
pub(super) struct ByteBudget(Arc<Mutex<State>>);

struct State {
    /// What each request adds, in bytes.
    per_request: usize,
    /// The requests in flight.
    requests: usize,
    /// In bytes.
    left: usize,
    exceeded: bool,
}

/// More was sent than the budget allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer sent more than the limit for one request")]
pub(super) struct BudgetExceeded;

impl ByteBudget {
    /// The budget of a new connection: that of one request, for what is sent before the first.
    pub(super) fn new(per_request: usize) -> Self {
        Self(Arc::new(Mutex::new(State { per_request, requests: 0, left: per_request, exceeded: false })))
    }

    /// A request is sent on the connection.
    pub(super) fn begin_request(&self) -> RequestGuard {
        let mut state = self.state();
        state.requests += 1;
        state.left = state.left.saturating_add(state.per_request).min(state.most());
        RequestGuard(self.clone())
    }

    /// Nothing more is to be read.
    pub(super) fn revoke(&self) {
        let mut state = self.state();
        state.left = 0;
        state.exceeded = true;
    }

    /// Whether it was exceeded or revoked.
    pub(super) fn is_exceeded(&self) -> bool {
        self.state().exceeded
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called before each read.
    fn check(&self) -> Result<(), BudgetExceeded> {
        let mut state = self.state();
        if state.left == 0 {
            state.exceeded = true;
        }
        if state.exceeded { Err(BudgetExceeded) } else { Ok(()) }
    }

    fn spend(&self, bytes: usize) {
        let mut state = self.state();
        state.left = state.left.saturating_sub(bytes);
    }
}

impl State {
    /// The most that may be left: what earlier requests did not use does not accumulate.
    fn most(&self) -> usize {
        self.per_request.saturating_mul(self.requests.max(1))
    }
}

impl fmt::Debug for ByteBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByteBudget")
    }
}

/// A request in flight. When the last one is dropped, the connection has the budget of one request until the next.
#[derive(Debug)]
pub(super) struct RequestGuard(ByteBudget);

impl RequestGuard {
    /// See [`ByteBudget::is_exceeded`].
    pub(super) fn is_exceeded(&self) -> bool {
        self.0.is_exceeded()
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests = state.requests.saturating_sub(1);
        state.left = if state.requests == 0 { state.per_request } else { state.left.min(state.most()) };
    }
}

/// A connection whose reads are counted, with its permit if it is pooled.
#[derive(Debug)]
pub(super) struct Counted<T> {
    inner: T,
    budget: ByteBudget,
    _permit: Option<PoolPermit>,
}

impl<T> Counted<T> {
    pub(super) fn new(inner: T, budget: ByteBudget, permit: Option<PoolPermit>) -> Self {
        Self { inner, budget, _permit: permit }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Err(exceeded) = self.budget.check() {
            return Poll::Ready(Err(io::Error::other(exceeded)));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        // One read may exceed the budget, by the reader's buffer at most.
        self.budget.spend(buffer.filled().len() - before);
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
    /// With the budget, for the code that sends requests on it.
    fn connected(&self) -> Connected {
        self.inner.connected().extra(self.budget.clone())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn receive(connection: &mut Counted<&[u8]>, bytes: usize) -> io::Result<usize> {
        let mut buffer = vec![0; bytes];
        connection.read(&mut buffer).await
    }

    #[tokio::test]
    async fn each_request_adds_to_the_budget_of_its_connection() {
        let endless = vec![b'x'; 1000];
        let budget = ByteBudget::new(10);
        let mut connection = Counted::new(&endless[..], budget.clone(), None);
        assert_eq!(receive(&mut connection, 8).await.unwrap(), 8);
        for _ in 0..3 {
            // What is left over does not accumulate.
            let request = budget.begin_request();
            assert_eq!(receive(&mut connection, 6).await.unwrap(), 6);
            assert!(!request.is_exceeded());
        }
        let (one, two) = (budget.begin_request(), budget.begin_request());
        assert_eq!(receive(&mut connection, 20).await.unwrap(), 20);
        assert!(!one.is_exceeded());
        let error = receive(&mut connection, 1).await.unwrap_err();
        assert_eq!(error.get_ref().and_then(|it| it.downcast_ref()), Some(&BudgetExceeded));
        assert!(one.is_exceeded() && two.is_exceeded());
        // It stays so, whatever comes later.
        drop((one, two));
        let _third = budget.begin_request();
        assert!(receive(&mut connection, 1).await.is_err());
    }

    #[tokio::test]
    async fn an_idle_connection_has_a_limit_too() {
        let endless = vec![b'x'; 1000];
        let budget = ByteBudget::new(10);
        let mut connection = Counted::new(&endless[..], budget.clone(), None);
        drop(budget.begin_request());
        assert_eq!(receive(&mut connection, 10).await.unwrap(), 10);
        assert!(receive(&mut connection, 1).await.is_err());
    }

    #[tokio::test]
    async fn nothing_is_read_after_a_revocation() {
        let budget = ByteBudget::new(10);
        let mut connection = Counted::new(&b"abc"[..], budget.clone(), None);
        let request = budget.begin_request();
        budget.revoke();
        assert!(request.is_exceeded());
        assert!(receive(&mut connection, 1).await.is_err());
    }
}
