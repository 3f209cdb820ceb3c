//! Ends of all sessions of a user that are too many for one transaction: the others are ended in batches, in turn with
//! the requests of the queue. The end itself is stored when it is accepted, so that a restart continues it.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::conflicts::ConflictRetries;
use super::lookup::look_up_end;
use super::planning::GroupPlanner;
use super::working_set::TargetState;
use super::writer::WriterConfig;
use crate::domain::plan::KnownSession;
use crate::domain::session::{EndNumber, SessionKey, SubjectEnd};
use crate::storage::{IntakeTransaction, LeftToEnd, StorageError};

/// The most sessions of a batch.
const BATCH_SESSIONS: u32 = 20;

/// The participants after which a batch is closed: few enough that no request waits for long.
const BATCH_PARTICIPANTS: usize = 30;

/// How long after a failure the batch is retried.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// How often the store is polled for ends that another process left unfinished.
const POLL_INTERVAL: Duration = Duration::from_secs(30);

/// Notifies those who wait for subject ends whenever one is finished. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct FinishedEnds(watch::Sender<()>);

impl FinishedEnds {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    /// Changes with every end that is finished from now on.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

/// Works on the ends that are not finished.
pub(super) struct SubjectEnds {
    /// When the next batch is due.
    due_at: Option<Instant>,
    /// The end of the last batch: ends take turns.
    last: EndNumber,
    /// The last session that was looked at, for each end.
    cursors: HashMap<EndNumber, SessionKey>,
    finished: FinishedEnds,
}

impl SubjectEnds {
    /// The first batch is due at once: an earlier run may have left ends unfinished.
    pub(super) fn new(finished: FinishedEnds) -> Self {
        let due_at = Some(Instant::now());
        Self { due_at, last: EndNumber::default(), cursors: HashMap::new(), finished }
    }

    /// Makes a batch due now: an end was accepted that is not finished.
    pub(super) fn wake(&mut self) {
        self.due_at = Some(Instant::now());
    }

    /// Returns when a batch is due.
    pub(super) async fn due(&self) {
        match self.due_at {
            Some(due_at) => sleep_until(due_at).await,
            None => pending().await,
        }
    }

    pub(super) fn is_due(&self) -> bool {
        self.due_at.is_some_and(|due_at| due_at <= Instant::now())
    }

    /// Ends the sessions of the next batch. Where its transaction conflicts with another process's, the batch is planned
    /// anew.
    pub(super) async fn process_batch(&mut self, config: &WriterConfig) -> Result<(), StorageError> {
        let (mut retries, last) = (ConflictRetries::new(), self.last);
        loop {
            let processed = self.try_process_batch(config).await;
            let conflict = matches!(processed, Err(StorageError::Conflict(_)));
            if !conflict || !retries.wait(&*config.ambient.entropy).await {
                return processed;
            }
            self.last = last;
        }
    }

    async fn try_process_batch(&mut self, config: &WriterConfig) -> Result<(), StorageError> {
        let now = config.ambient.now();
        self.due_at = Some(Instant::now() + RETRY_DELAY);
        let mut transaction = config.store.begin().await?;
        let Some(end) = transaction.unfinished_end(self.last).await?.map(Arc::new) else {
            self.due_at = Some(Instant::now() + POLL_INTERVAL);
            self.cursors.clear();
            return Ok(());
        };
        // Before the batch is stored: an end that fails does not keep the others from their turns.
        self.last = end.number;
        self.store_batch(config, transaction, &end, now).await?;
        self.due_at = Some(Instant::now());
        Ok(())
    }

    async fn store_batch(
        &mut self,
        config: &WriterConfig,
        mut transaction: Box<dyn IntakeTransaction>,
        end: &Arc<SubjectEnd>,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let after = self.cursors.get(&end.number).copied();
        let LeftToEnd { sessions, last, more } = transaction.left_to_end(end, after, BATCH_SESSIONS).await?;
        let keys: Vec<SessionKey> = sessions.iter().map(|session| session.key).collect();
        let known = sessions.into_iter().map(|session| KnownSession { session, deliveries: Vec::new() });
        let state = TargetState { sessions: known.collect(), more, subject_known: true };

        let mut set = look_up_end(&mut *transaction, end, &state.sessions, &config.subjects).await?;
        let plan = GroupPlanner::new(config, &mut set, now).plan_rest(end, state, BATCH_PARTICIPANTS);
        let is_finished = !plan.more;
        let ended = plan.sids.len();
        let cursor = if ended == keys.len() { last } else { ended.checked_sub(1).map(|index| keys[index]) };
        for client_id in &plan.unreachable {
            tracing::error!(
                client_id = client_id.as_str(),
                "no logout token for ended sessions: the client's tokens need a sub, and none is known for it"
            );
        }
        set.apply_part(end.number, plan);
        if is_finished {
            set.finish(end.number);
        }
        config.store_set(transaction, set, now).await?;

        if is_finished {
            self.cursors.remove(&end.number);
            self.finished.0.send_replace(());
        } else if let Some(cursor) = cursor {
            self.cursors.insert(end.number, cursor);
        }
        Ok(())
    }
}
