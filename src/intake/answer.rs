//! What is answered to events and commands; and what is left to find out before it can be.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::rest::Progress;
use crate::domain::delivery::DeliverySummary;
use crate::domain::ids::{ClientId, Sid};
use crate::domain::receipt::Receipt;
use crate::domain::session::{EndNumber, Session};
use crate::storage::{AnswerKey, IntakeStore, StorageError};

/// How long an answer waits for an end that is carried out in pieces. Then it is given as far as it goes.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the store is asked without being told: another process may carry the end out.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How many answers may be in memory at a time that are of ends in pieces: they can have hundreds of thousands of
/// deliveries. Others are given without the pieces.
const MAX_LARGE: usize = 8;

/// After how many deliveries of ends in pieces the other events of a batch are answered without theirs: a batch may
/// repeat many large ends, or one many times.
const MAX_DELIVERIES: usize = 100_000;

/// What became of one accepted event.
#[derive(Debug)]
pub struct Accepted {
    /// What the source is told.
    pub receipt: Receipt,
    /// Whether it had been accepted before.
    pub duplicate: bool,
    /// Whether every session that it is about has ended: else more follow.
    pub is_complete: bool,
    /// The right to have a large answer in memory, to be kept for as long as it is.
    pub room: Option<OwnedSemaphorePermit>,
}

/// What is known of an accepted event when it is stored.
#[derive(Debug)]
pub(super) struct Stored {
    /// What the source is told.
    pub(super) told: Told,
    /// Whether it had been accepted before.
    pub(super) duplicate: bool,
    /// The end whose parts belong to the answer.
    pub(super) rest: Option<EndNumber>,
}

/// What the source of an event is told, or where that is to be read.
#[derive(Debug)]
pub(super) enum Told {
    Receipt(Receipt),
    At(AnswerKey),
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedOut {
    /// The sessions it was about.
    pub sessions: Vec<Sid>,
    /// The session whose metadata was replaced, as it is now.
    pub changed: Option<Box<Session>>,
    /// The deliveries that arose, and those that had arisen before.
    pub deliveries: Vec<DeliverySummary>,
    /// Clients that cannot be told: their tokens need an identifier that is not known.
    pub untold: BTreeSet<ClientId>,
    /// The end whose parts belong to the answer.
    pub(super) rest: Option<EndNumber>,
    /// Whether every session that it is about has ended: else more follow.
    pub is_complete: bool,
}

/// Completes answers, from the store.
#[derive(Clone)]
pub(super) struct Answers {
    store: Arc<dyn IntakeStore>,
    progress: Progress,
    large: Arc<Semaphore>,
}

impl Answers {
    pub(super) fn new(store: Arc<dyn IntakeStore>, progress: Progress) -> Self {
        Self { store, progress, large: Arc::new(Semaphore::new(MAX_LARGE)) }
    }

    /// Reads what was answered before, and waits for the rest of ends that are carried out in pieces.
    ///
    /// `ids` are the events'.
    pub(super) async fn complete(
        &self,
        ids: Vec<String>,
        stored: Vec<Stored>,
    ) -> Result<Vec<Accepted>, StorageError> {
        let deadline = Instant::now() + PATIENCE;
        for stored in &stored {
            self.wait(stored.rest, deadline).await?;
        }
        let has_rest = stored.iter().any(|it| it.rest.is_some());
        let mut room = if has_rest { self.room(deadline).await } else { None };
        let has_room = room.is_some();
        let mut read = 0;
        let mut accepted = Vec::with_capacity(stored.len());
        for (id, Stored { told, duplicate, rest }) in ids.into_iter().zip(stored) {
            let mut receipt = match told {
                Told::Receipt(receipt) => receipt,
                // It was there when the event was looked up, and is kept for much longer than this takes.
                Told::At(key) => self.store.answer(&key).await?.unwrap_or_else(|| Receipt::new(id)),
            };
            let is_complete = match rest {
                Some(end) if has_room && read < MAX_DELIVERIES => {
                    let before = receipt.deliveries.len();
                    let is_complete =
                        self.add_rest(end, &mut receipt.sessions, &mut receipt.deliveries).await?;
                    read += receipt.deliveries.len() - before;
                    is_complete
                }
                Some(_) => false,
                None => true,
            };
            accepted.push(Accepted { receipt, duplicate, is_complete, room: room.take() });
        }
        Ok(accepted)
    }

    async fn room(&self, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        timeout_at(deadline, Arc::clone(&self.large).acquire_owned()).await.ok()?.ok()
    }

    /// Adds what was done of an end since it was accepted; whether that is all.
    async fn add_rest(
        &self,
        end: EndNumber,
        sessions: &mut Vec<Sid>,
        deliveries: &mut Vec<DeliverySummary>,
    ) -> Result<bool, StorageError> {
        // Asked first: what is finished then is all among the parts.
        let is_finished = self.store.is_finished(end).await?;
        let parts = self.store.parts(end).await?;
        sessions.extend(parts.sessions);
        deliveries.extend(parts.deliveries);
        Ok(is_finished)
    }

    /// The same for a command.
    pub(super) async fn complete_command(&self, mut done: CarriedOut) -> Result<CarriedOut, StorageError> {
        let Some(rest) = done.rest else { return Ok(done) };
        let deadline = Instant::now() + PATIENCE;
        self.wait(Some(rest), deadline).await?;
        done.is_complete = match self.room(deadline).await {
            Some(_room) => self.add_rest(rest, &mut done.sessions, &mut done.deliveries).await?,
            None => false,
        };
        Ok(done)
    }

    /// Waits until an end is finished, or the deadline.
    async fn wait(&self, end: Option<EndNumber>, deadline: Instant) -> Result<(), StorageError> {
        let Some(end) = end else { return Ok(()) };
        // Seen from before the first look, so that nothing is finished unseen between look and wait.
        let mut finished = self.progress.watch();
        while Instant::now() < deadline && !self.store.is_finished(end).await? {
            let look_again = deadline.min(Instant::now() + LOOK_AGAIN);
            let _ = timeout_at(look_again, finished.changed()).await;
        }
        Ok(())
    }
}
