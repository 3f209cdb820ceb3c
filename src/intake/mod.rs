//! Accepts events, and the changes of sessions that no source reports: [`Intake::accept`] and [`Intake::execute`] are
//! the only way to change a session.
//!
//! Requests wait in a queue for the one writer, which plans and stores all that are waiting in one transaction and
//! answers after the commit. So what was acknowledged survives a loss of power. Only domain events come in: each source
//! parses its own wire form and renders the results in it.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::causes::Causes;
use crate::domain::access::Reporter;
use crate::domain::event::Event;
use crate::domain::plan::Command;
use crate::storage::EventKey;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::EventOutcome;

mod completion;
mod conflicts;
mod digest;
mod error;
mod expiry;
mod handoff;
mod id_collisions;
mod lookup;
mod memory;
mod metadata_guard;
mod planning;
mod request;
mod results;
mod subject_ends;
mod working_set;
mod writer;

use completion::Completion;
use memory::{BudgetExhausted, MemoryBudget};
use request::{Request, metadata_of_command, metadata_of_event};
use results::{EventResult, all_failed};
use subject_ends::FinishedEnds;

pub use error::{AcceptError, CommandError};
pub use expiry::Expiry;
pub use handoff::{Handoff, Reserved};
pub use memory::{LARGE_BODY_BUDGET, MEMORY_PER_BODY_BYTE, MemoryPermit, SMALL_BODY, SMALL_BODY_BUDGET};
pub use metadata_guard::{MetadataGuard, SensitiveMetadata};
pub use results::{Accepted, CommandOutcome, all_accepted};
pub use writer::{Writer, WriterConfig};

/// The capacity of the queue, in requests. A request that does not fit is rejected, so that memory stays bounded.
pub const MAX_QUEUED: usize = 1024;

/// The most events in the requests of the queue.
const MAX_QUEUED_EVENTS: usize = 10_000;

/// Which events are accepted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchMode {
    /// All of them in one transaction, or none: for a request that gets one answer.
    AllOrNothing,
    /// Each by itself, in their order: one that is refused, or that the store fails at, stops no other. For sources that
    /// acknowledge each message, such as message brokers.
    Independent,
}

/// A handle to the queue. When the last one is dropped, the [`Writer`] finishes what is waiting and returns.
#[derive(Clone)]
pub struct Intake {
    requests: mpsc::Sender<Request>,
    event_permits: Arc<Semaphore>,
    memory: Arc<MemoryBudget>,
    guard: Arc<MetadataGuard>,
    metrics: Arc<Metrics>,
    completion: Completion,
}

impl Intake {
    /// The queue, and its writer, which the caller has to run.
    pub fn new(config: WriterConfig) -> (Self, Writer) {
        let (requests, queue) = mpsc::channel(MAX_QUEUED);
        let (guard, metrics) = (Arc::clone(&config.guard), Arc::clone(&config.ambient.metrics));
        let finished = FinishedEnds::new();
        let intake = Self {
            requests,
            event_permits: Arc::new(Semaphore::new(MAX_QUEUED_EVENTS)),
            memory: Arc::new(MemoryBudget::default()),
            guard,
            metrics,
            completion: Completion::new(Arc::clone(&config.store), finished.clone()),
        };
        (intake, Writer::new(config, queue, finished))
    }

    /// Reserves memory for a body of `bytes` bytes, before it is read. [`AcceptError::Busy`] if none becomes free within
    /// two seconds.
    pub async fn reserve_memory(
        &self,
        reporter: &Reporter,
        bytes: usize,
    ) -> Result<MemoryPermit, AcceptError> {
        self.memory.reserve(reporter, bytes).await.map_err(|BudgetExhausted| {
            self.metrics.intake.events(EventOutcome::busy, 1);
            AcceptError::Busy
        })
    }

    /// Accepts events, in their order. Each has its result at its place; those with `Ok` are durable.
    ///
    /// The events' ids are `reporter`'s; `memory` was reserved for their body. Of independent events
    /// each takes a place in the queue: more than [`MAX_QUEUED`] in one call are always [`AcceptError::Busy`].
    pub async fn accept(
        &self,
        reporter: &Reporter,
        events: Vec<Event>,
        mode: BatchMode,
        memory: MemoryPermit,
    ) -> Vec<Result<Accepted, AcceptError>> {
        let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
        let stored = match self.enqueue(reporter, events, mode, memory) {
            Ok(queued) => results_of(queued).await,
            Err(error) => {
                if error == AcceptError::Busy {
                    self.metrics.intake.events(EventOutcome::busy, ids.len());
                }
                all_failed(ids.len(), &error)
            }
        };
        self.completion.complete_events(ids, stored).await
    }

    /// Queues events: those that are accepted together are one request.
    fn enqueue(
        &self,
        reporter: &Reporter,
        events: Vec<Event>,
        mode: BatchMode,
        mut memory: MemoryPermit,
    ) -> Result<Vec<Queued>, AcceptError> {
        memory.resize_for(&events).map_err(|BudgetExhausted| AcceptError::Busy)?;
        let count = u32::try_from(events.len()).map_err(|_| AcceptError::Busy)?;
        let mut permit =
            Arc::clone(&self.event_permits).try_acquire_many_owned(count).map_err(|_| AcceptError::Busy)?;
        let requests: Vec<_> = match mode {
            BatchMode::AllOrNothing => vec![(events, permit, memory)],
            BatchMode::Independent => {
                let alone = |event| {
                    let permit = permit.split(1).expect("there is a permit for each event");
                    let memory = memory.split_off(&event);
                    (vec![event], permit, memory)
                };
                events.into_iter().map(alone).collect()
            }
        };
        // All or none: a later event must not overtake one that did not fit.
        let slots = self.requests.try_reserve_many(requests.len()).map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => AcceptError::Busy,
            mpsc::error::TrySendError::Closed(()) => AcceptError::Unavailable,
        })?;
        let queue = |(slot, (events, permit, memory)): (mpsc::Permit<'_, _>, (Vec<Event>, _, _))| {
            // Metadata is inspected here to keep that work off the one writer.
            let inspect = |event: &Event| self.guard.inspect(metadata_of_event(&event.body));
            let findings = events.iter().map(inspect).collect();
            let keys = events.iter().map(|event| EventKey::of(reporter, event)).collect();
            let (answer, answered) = oneshot::channel();
            let queued = Queued { events: events.len(), answered };
            slot.send(Request::Events { events, keys, findings, answer, permit, memory });
            queued
        };
        Ok(slots.zip(requests).map(queue).collect())
    }

    /// Executes a command. When this returns `Ok`, its effects are durable.
    pub async fn execute(&self, command: Command) -> Result<CommandOutcome, CommandError> {
        let findings = self.guard.inspect(metadata_of_command(&command));
        let (answer, answered) = oneshot::channel();
        let request = Request::Command { command, findings, answer };
        self.requests.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommandError::Unavailable,
        })?;
        let outcome = answered.await.unwrap_or(Err(CommandError::Unavailable))?;
        self.completion.complete_command(outcome).await.map_err(|error| {
            tracing::error!(error = %Causes(&error), "the outcome of a command could not be read from the store");
            CommandError::of_store(&error)
        })
    }
}

/// A request in the queue.
struct Queued {
    /// How many events it has.
    events: usize,
    answered: oneshot::Receiver<Vec<EventResult>>,
}

/// The result of each event of these requests.
async fn results_of(queued: Vec<Queued>) -> Vec<EventResult> {
    let mut results = Vec::with_capacity(queued.iter().map(|it| it.events).sum());
    for Queued { events, answered } in queued {
        // A request is dropped without an answer only if the writer has ended.
        results.extend(answered.await.unwrap_or_else(|_| all_failed(events, &AcceptError::Unavailable)));
    }
    results
}
