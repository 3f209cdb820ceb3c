//! A request's body with a time by which it has to be there: one byte at a time would never end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// A body that fails when its time is over.
pub struct RequestBody {
    incoming: Incoming,
    due: Instant,
    /// Made when it is first waited for: most bodies are there at once.
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
        // What comes all the time is too late as well.
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
