//! A request's body with a deadline, against peers that send a byte at a time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// A body that fails once its deadline has passed.
pub struct RequestBody {
    incoming: Incoming,
    due: Instant,
    /// Made with the first wait: most bodies arrive with their head.
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    /// The connection failed.
    #[error(transparent)]
    Hyper(#[from] hyper::Error),
    /// It took too long.
    #[error("the body took too long")]
    TooLong,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, limit: Duration) -> Self {
        Self { incoming, due: Instant::now() + limit, timer: None }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        // Checked first, since a body that keeps arriving never waits for the timer.
        if Instant::now() >= self.due {
            return Poll::Ready(Some(Err(RequestBodyError::TooLong)));
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(RequestBodyError::Hyper)));
        }
        let due = self.due;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        timer.as_mut().poll(context).map(|()| Some(Err(RequestBodyError::TooLong)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
