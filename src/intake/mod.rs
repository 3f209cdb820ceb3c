//! The door: every event of every source comes in through [`Intake::accept`], and every change of a session
//! that no source reports through [`Intake::carry_out`].
//!
//! Requests queue for one writer, which plans and stores as many as are waiting in one transaction and
//! answers when it is durable. A source is never told of an acceptance that a loss of power could undo.
//! Only domain events come in: each source parses its own wire form.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::causes::Causes;
use crate::domain::access::Reporter;
use crate::domain::event::Event;
use crate::domain::plan::{Command, CommandRefusal, Refusal};
use crate::storage::EventKey;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::EventOutcome;

mod answer;
mod collisions;
mod digest;
mod expiry;
mod guard;
mod handoff;
mod lookup;
mod planning;
mod request;
mod rest;
mod room;
mod weight;
mod working_set;
mod writer;

use answer::{Answers, Stored};
use planning::MAX_WEIGHT;
use request::{Request, metadata_of_command, metadata_of_event};
use rest::Progress;
use room::Room;

pub use answer::{Accepted, CarriedOut};
pub use expiry::Expiry;
pub use guard::{MetadataGuard, SensitiveMetadata};
pub use handoff::{Handoff, Reserved};
pub use room::{Charge, LARGE_ROOM, PER_BYTE, SMALL_BODY, SMALL_ROOM};
pub use writer::{Writer, WriterConfig};

/// How many requests, and how many events in them, may wait for the writer. More are turned away, so that
/// memory stays bounded.
const MAX_WAITING: usize = 1024;
const MAX_WAITING_EVENTS: usize = 10_000;

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
    /// The metadata of one of them looks like what does not belong there.
    #[error("data.{refusal}")]
    Sensitive {
        /// Which, counted from 0.
        index: usize,
        /// Why.
        refusal: SensitiveMetadata,
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
    /// A batch is about more clients than one transaction can tell.
    #[error(
        "a batch can be about at most {MAX_WEIGHT} clients, counting those it names and those of its sessions; split it"
    )]
    TooMuch,
    /// Too many requests wait already.
    #[error("too many events are waiting to be stored")]
    Busy,
    /// The store failed; the log says why. Nothing was stored, or the same event reported again gets its answer.
    #[error("the store is not available")]
    Unavailable,
    /// What the store has of one of them cannot be read; the log names the row. Nothing was stored.
    #[error("what the store has of this cannot be read")]
    Unreadable,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It cannot be.
    #[error(transparent)]
    Refused(#[from] CommandRefusal),
    /// Its metadata looks like what does not belong there.
    #[error(transparent)]
    Sensitive(#[from] SensitiveMetadata),
    /// Too many requests wait already.
    #[error("too many requests are waiting to be stored")]
    Busy,
    /// The store failed; the log says why. Nothing was stored.
    #[error("the store is not available")]
    Unavailable,
    /// What the store has of it cannot be read; the log names the row. Nothing was stored.
    #[error("what the store has of this cannot be read")]
    Unreadable,
}

/// A handle to the door. When the last one is dropped, the [`Writer`] finishes what waits and ends.
#[derive(Clone)]
pub struct Intake {
    requests: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    memory: Arc<Room>,
    guard: Arc<MetadataGuard>,
    metrics: Arc<Metrics>,
    answers: Answers,
}

impl Intake {
    /// The door and the writer behind it, which the caller has to run.
    pub fn new(config: WriterConfig) -> (Self, Writer) {
        let (requests, waiting) = mpsc::channel(MAX_WAITING);
        let room = Arc::new(Semaphore::new(MAX_WAITING_EVENTS));
        let memory = Arc::new(Room::default());
        let (guard, metrics) = (Arc::clone(&config.guard), Arc::clone(&config.metrics));
        let progress = Progress::new();
        let answers = Answers::new(Arc::clone(&config.store), progress.clone());
        let writer = Writer::new(config, waiting, progress);
        (Self { requests, room, memory, guard, metrics, answers }, writer)
    }

    /// Room in memory for a body of so many bytes, to be made before it is read; [`AcceptError::Busy`] if there is
    /// none within two seconds.
    pub async fn make_room(&self, reporter: &Reporter, body: usize) -> Result<Charge, AcceptError> {
        self.memory.make(reporter, body).await.map_err(|room::Full| {
            self.metrics.events(EventOutcome::busy, 1);
            AcceptError::Busy
        })
    }

    /// Accepts all of these events, in order, or none. When this returns `Ok`, they are durable.
    ///
    /// `reporter` is whose ids they have; `charge` is the room that was made for their body.
    pub async fn accept(
        &self,
        reporter: Reporter,
        events: Vec<Event>,
        charge: Charge,
    ) -> Result<Vec<Accepted>, AcceptError> {
        let count = events.len();
        let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
        let accepted = self.try_accept(reporter, events, charge).await;
        if matches!(accepted, Err(AcceptError::Busy)) {
            self.metrics.events(EventOutcome::busy, count);
        }
        self.answers.complete(ids, accepted?).await.map_err(|error| {
            tracing::error!(error = %Causes(&error), "what was answered to events could not be read");
            if error.is_corrupt() { AcceptError::Unreadable } else { AcceptError::Unavailable }
        })
    }

    async fn try_accept(
        &self,
        reporter: Reporter,
        events: Vec<Event>,
        mut charge: Charge,
    ) -> Result<Vec<Stored>, AcceptError> {
        charge.fit(&events).map_err(|room::Full| AcceptError::Busy)?;
        let wanted = u32::try_from(events.len()).map_err(|_| AcceptError::Busy)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(wanted).map_err(|_| AcceptError::Busy)?;
        // Here, and not in the writer, of which there is only one.
        let inspect = |event: &Event| self.guard.inspect(metadata_of_event(&event.body));
        let findings = events.iter().map(inspect).collect();
        let keys = events.iter().map(|event| EventKey::of(&reporter, event)).collect();
        let (answer, answered) = oneshot::channel();
        let request = Request::Events { events, keys, findings, answer, room, charge };
        self.requests.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AcceptError::Busy,
            mpsc::error::TrySendError::Closed(_) => AcceptError::Unavailable,
        })?;
        answered.await.unwrap_or(Err(AcceptError::Unavailable))
    }

    /// Carries out a command. When this returns `Ok`, what follows from it is durable.
    pub async fn carry_out(&self, command: Command) -> Result<CarriedOut, CommandError> {
        let findings = self.guard.inspect(metadata_of_command(&command));
        let (answer, answered) = oneshot::channel();
        let request = Request::Command { command, findings, answer };
        self.requests.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommandError::Unavailable,
        })?;
        let done = answered.await.unwrap_or(Err(CommandError::Unavailable))?;
        self.answers.complete_command(done).await.map_err(|error| {
            tracing::error!(error = %Causes(&error), "what a command did could not be read");
            if error.is_corrupt() { CommandError::Unreadable } else { CommandError::Unavailable }
        })
    }
}
