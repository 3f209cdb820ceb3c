//! The door: every event of every source comes in through [`Intake::accept`].
//!
//! Requests queue for one writer, which plans and stores as many as are waiting in one transaction and
//! answers when it is durable. A source is never told of an acceptance that a loss of power could undo.
//! The wire forms of the sources are parsed beside the door (`cloudevents`), never behind it.

use tokio::sync::{mpsc, oneshot};

use crate::domain::event::Event;
use crate::domain::plan::Refusal;
use crate::domain::receipt::Receipt;

pub mod cloudevents;
mod writer;

pub use writer::{Writer, WriterConfig};

/// How many requests may wait for the writer. More are turned away, so that memory stays bounded.
const MAX_WAITING: usize = 1024;

/// What became of one accepted event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What the source is told.
    pub receipt: Receipt,
    /// Whether it had been accepted before.
    pub duplicate: bool,
}

/// Why no event of a request was accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// One of them cannot be acted on.
    #[error("{refusal}")]
    Refused {
        /// Which, counted from 0.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
    /// Its `source` and `id` belong to an event that said something else. To drop it as a repetition
    /// could leave somebody logged in.
    #[error(
        "id: this source has already used this id for an event with other data; give each event its own id"
    )]
    IdReused {
        /// Which, counted from 0.
        index: usize,
    },
    /// Too many requests wait already.
    #[error("too many events are waiting to be stored")]
    Busy,
    /// The store failed; the log says why. Nothing was stored.
    #[error("the store is not available")]
    Unavailable,
}

struct Request {
    events: Vec<Event>,
    answer: oneshot::Sender<Result<Vec<Accepted>, AcceptError>>,
}

/// A handle to the door. When the last one is dropped, the [`Writer`] finishes what waits and ends.
#[derive(Clone, Debug)]
pub struct Intake {
    requests: mpsc::Sender<Request>,
}

impl Intake {
    /// The door and the writer behind it, which the caller has to run.
    pub fn new(config: WriterConfig) -> (Self, Writer) {
        let (requests, waiting) = mpsc::channel(MAX_WAITING);
        (Self { requests }, Writer::new(config, waiting))
    }

    /// Accepts all of these events, in order, or none. When this returns `Ok`, they are durable.
    pub async fn accept(&self, events: Vec<Event>) -> Result<Vec<Accepted>, AcceptError> {
        let (answer, answered) = oneshot::channel();
        self.requests.try_send(Request { events, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AcceptError::Busy,
            mpsc::error::TrySendError::Closed(_) => AcceptError::Unavailable,
        })?;
        answered.await.unwrap_or(Err(AcceptError::Unavailable))
    }
}
