//! The door: every event of every source comes in through [`Intake::accept`].
//!
//! Requests queue for one writer, which plans and stores as many as are waiting in one transaction and
//! answers when it is durable. A source is never told of an acceptance that a loss of power could undo.
//! The wire forms of the sources are parsed beside the door (`cloudevents`), never behind it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::domain::event::Event;
use crate::domain::plan::Refusal;
use crate::domain::receipt::Receipt;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::EventOutcome;

pub mod cloudevents;
mod handoff;
mod working_set;
mod writer;

pub use handoff::{Handoff, Reserved};
pub use writer::{Writer, WriterConfig};

/// How many requests, and how many events in them, may wait for the writer. More are turned away, so that
/// memory stays bounded.
const MAX_WAITING: usize = 1024;
const MAX_WAITING_EVENTS: usize = 10_000;

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
    /// Its part of [`MAX_WAITING_EVENTS`], given back when it was answered.
    _room: OwnedSemaphorePermit,
}

/// A handle to the door. When the last one is dropped, the [`Writer`] finishes what waits and ends.
#[derive(Clone, Debug)]
pub struct Intake {
    requests: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Intake {
    /// The door and the writer behind it, which the caller has to run.
    pub fn new(config: WriterConfig) -> (Self, Writer) {
        let (requests, waiting) = mpsc::channel(MAX_WAITING);
        let room = Arc::new(Semaphore::new(MAX_WAITING_EVENTS));
        (Self { requests, room, metrics: Arc::clone(&config.metrics) }, Writer::new(config, waiting))
    }

    /// Accepts all of these events, in order, or none. When this returns `Ok`, they are durable.
    pub async fn accept(&self, events: Vec<Event>) -> Result<Vec<Accepted>, AcceptError> {
        let count = events.len();
        let accepted = self.try_accept(events).await;
        if accepted == Err(AcceptError::Busy) {
            self.metrics.events(EventOutcome::busy, count);
        }
        accepted
    }

    async fn try_accept(&self, events: Vec<Event>) -> Result<Vec<Accepted>, AcceptError> {
        let wanted = u32::try_from(events.len()).map_err(|_| AcceptError::Busy)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(wanted).map_err(|_| AcceptError::Busy)?;
        let (answer, answered) = oneshot::channel();
        self.requests.try_send(Request { events, answer, _room: room }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AcceptError::Busy,
            mpsc::error::TrySendError::Closed(_) => AcceptError::Unavailable,
        })?;
        answered.await.unwrap_or(Err(AcceptError::Unavailable))
    }
}
