//! Completes the results of events and commands: answers of duplicates are read from the store, and results of subject
//! ends that are carried out in batches wait for the batches.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::AcceptError;
use super::results::{Accepted, CommandOutcome, EventResult, Stored, StoredReceipt};
use super::subject_ends::FinishedEnds;
use crate::causes::Causes;
use crate::domain::delivery::DeliverySummary;
use crate::domain::ids::Sid;
use crate::domain::receipt::Receipt;
use crate::domain::session::EndNumber;
use crate::storage::{IntakeStore, StorageError};

/// How long a result waits for a subject end. Then it has the batches that are done.
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the store is polled meanwhile: another process may finish the end.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How many results of subject ends may be in memory at a time: each can have hundreds of thousands of deliveries.
/// Others are given without the later batches.
const MAX_LARGE_RESULTS: usize = 8;

/// Once the subject ends of one request have this many deliveries, its other events are answered without later batches:
/// a request may repeat many large ends, or one many times.
const MAX_DELIVERIES: usize = 100_000;

/// Completes results.
#[derive(Clone)]
pub(super) struct Completion {
    store: Arc<dyn IntakeStore>,
    finished: FinishedEnds,
    large_results: Arc<Semaphore>,
}

/// What the later batches of subject ends may add to the results of one request.
struct BatchBudget {
    /// Whether they may add anything.
    has_permit: bool,
    /// How many deliveries they have added.
    deliveries: usize,
}

impl Completion {
    pub(super) fn new(store: Arc<dyn IntakeStore>, finished: FinishedEnds) -> Self {
        Self { store, finished, large_results: Arc::new(Semaphore::new(MAX_LARGE_RESULTS)) }
    }

    /// Completes the results of a request's events, whose ids are `ids`.
    pub(super) async fn complete_events(
        &self,
        ids: Vec<String>,
        stored: Vec<EventResult>,
    ) -> Vec<Result<Accepted, AcceptError>> {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        let ends = || stored.iter().flatten().filter_map(|it| it.unfinished_end);
        for end in ends() {
            // The store is asked again below, where an error becomes the event's result.
            if self.wait_until_finished(end, deadline).await.is_err() {
                break;
            }
        }
        let mut permit = if ends().next().is_some() { self.permit(deadline).await } else { None };
        let mut budget = BatchBudget { has_permit: permit.is_some(), deliveries: 0 };
        let mut store_failed = false;
        let mut results = Vec::with_capacity(stored.len());
        for (id, stored) in ids.into_iter().zip(stored) {
            results.push(match stored {
                // A store that fails would let each of the others wait for its timeout.
                Ok(_) if store_failed => Err(AcceptError::Unavailable),
                Ok(stored) => match self.complete_event(id, stored, &mut budget).await {
                    Ok(accepted) => Ok(Accepted { permit: permit.take(), ..accepted }),
                    Err(error) => {
                        tracing::error!(
                            error = %Causes(&error),
                            "the answer to an event could not be read from the store"
                        );
                        store_failed = matches!(error, StorageError::Unavailable(_));
                        Err(AcceptError::of_store(&error))
                    }
                },
                Err(error) => Err(error),
            });
        }
        results
    }

    async fn complete_event(
        &self,
        id: String,
        stored: Stored,
        budget: &mut BatchBudget,
    ) -> Result<Accepted, StorageError> {
        let Stored { receipt, duplicate, unfinished_end } = stored;
        let mut receipt = match receipt {
            StoredReceipt::Loaded(receipt) => receipt,
            // It was there when the event was looked up, and is kept for much longer than this takes.
            StoredReceipt::InStore(key) => self.store.answer(&key).await?.unwrap_or_else(|| Receipt::new(id)),
        };
        let is_complete = match unfinished_end {
            Some(end) if budget.has_permit && budget.deliveries < MAX_DELIVERIES => {
                let before = receipt.deliveries.len();
                let is_complete =
                    self.add_batches(end, &mut receipt.sessions, &mut receipt.deliveries).await?;
                budget.deliveries += receipt.deliveries.len() - before;
                is_complete
            }
            Some(_) => false,
            None => true,
        };
        Ok(Accepted { receipt, duplicate, is_complete, permit: None })
    }

    /// Completes the result of a command.
    pub(super) async fn complete_command(
        &self,
        mut outcome: CommandOutcome,
    ) -> Result<CommandOutcome, StorageError> {
        let Some(end) = outcome.unfinished_end else { return Ok(outcome) };
        let deadline = Instant::now() + WAIT_TIMEOUT;
        self.wait_until_finished(end, deadline).await?;
        outcome.is_complete = match self.permit(deadline).await {
            Some(_permit) => self.add_batches(end, &mut outcome.sessions, &mut outcome.deliveries).await?,
            None => false,
        };
        Ok(outcome)
    }

    async fn permit(&self, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        timeout_at(deadline, Arc::clone(&self.large_results).acquire_owned()).await.ok()?.ok()
    }

    /// Adds what a subject end did in later transactions. Returns whether it is finished.
    async fn add_batches(
        &self,
        end: EndNumber,
        sessions: &mut Vec<Sid>,
        deliveries: &mut Vec<DeliverySummary>,
    ) -> Result<bool, StorageError> {
        // Read first: of an end that is finished by now, all batches are read below.
        let is_finished = self.store.is_finished(end).await?;
        let parts = self.store.parts(end).await?;
        sessions.extend(parts.sessions);
        deliveries.extend(parts.deliveries);
        Ok(is_finished)
    }

    /// Waits until a subject end is finished, or the deadline.
    async fn wait_until_finished(&self, end: EndNumber, deadline: Instant) -> Result<(), StorageError> {
        // Subscribed before the first look, so that no end finishes unseen between look and wait.
        let mut finished = self.finished.subscribe();
        while Instant::now() < deadline && !self.store.is_finished(end).await? {
            let next_poll = deadline.min(Instant::now() + POLL_INTERVAL);
            let _ = timeout_at(next_poll, finished.changed()).await;
        }
        Ok(())
    }
}
