//! Ends of all sessions of a user that are too many for one transaction: the rest is ended in pieces, in turn with
//! what else waits for the writer. The end itself was stored when it was accepted, so that a restart goes on with it.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::lookup::look_up_end;
use super::working_set::About;
use super::writer::WriterConfig;
use crate::domain::plan::KnownSession;
use crate::domain::session::{EndNumber, SessionKey, SubjectEnd};
use crate::storage::{IntakeTransaction, LeftToEnd, StorageError};

/// The most sessions that a piece looks at.
const PIECE_SESSIONS: u32 = 20;

/// After how many participants a piece ends: few enough that no event waits for long.
const PIECE_PARTICIPANTS: usize = 30;

/// How long after a failure it is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often ends are looked for that another process left.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Tells those who wait for the rest of an end when one is finished. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Progress(watch::Sender<()>);

impl Progress {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    /// Sees every end that is finished from now on.
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

/// The ends that are not finished.
pub(super) struct Rest {
    /// When a piece may be ended; at once while there are any.
    due_at: Option<Instant>,
    /// The end that had the last piece: each has its turn.
    last: EndNumber,
    /// Up to where sessions were looked at for each end.
    cursors: HashMap<EndNumber, SessionKey>,
    progress: Progress,
}

impl Rest {
    /// Begins by looking for what an earlier run left.
    pub(super) fn new(progress: Progress) -> Self {
        let due_at = Some(Instant::now());
        Self { due_at, last: EndNumber::default(), cursors: HashMap::new(), progress }
    }

    /// An end was accepted that is not finished.
    pub(super) fn begin(&mut self) {
        self.due_at = Some(Instant::now());
    }

    /// Returns when a piece may be ended.
    pub(super) async fn due(&self) {
        match self.due_at {
            Some(due_at) => sleep_until(due_at).await,
            None => pending().await,
        }
    }

    pub(super) fn is_due(&self) -> bool {
        self.due_at.is_some_and(|due_at| due_at <= Instant::now())
    }

    /// Ends the next piece.
    pub(super) async fn carry_on(&mut self, config: &WriterConfig) -> Result<(), StorageError> {
        let now = config.ambient.now();
        self.due_at = Some(Instant::now() + TRY_AGAIN_AFTER);
        let mut transaction = config.store.begin().await?;
        let Some(end) = transaction.unfinished_end(self.last).await?.map(Arc::new) else {
            self.due_at = Some(Instant::now() + LOOK_EVERY);
            self.cursors.clear();
            return Ok(());
        };
        // Before it is carried out: an end that fails does not keep the others from their turns.
        self.last = end.number;
        self.end_piece(config, transaction, &end, now).await?;
        self.due_at = Some(Instant::now());
        Ok(())
    }

    async fn end_piece(
        &mut self,
        config: &WriterConfig,
        mut transaction: Box<dyn IntakeTransaction>,
        end: &Arc<SubjectEnd>,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let after = self.cursors.get(&end.number).copied();
        let LeftToEnd { sessions, last, more } = transaction.left_to_end(end, after, PIECE_SESSIONS).await?;
        let keys: Vec<SessionKey> = sessions.iter().map(|session| session.key).collect();
        let known = sessions.into_iter().map(|session| KnownSession { session, deliveries: Vec::new() });
        let about = About { sessions: known.collect(), more, subject_known: true };

        let mut set = look_up_end(&mut *transaction, end, &about.sessions, &config.subjects).await?;
        let plan = config.plan_rest(&set, end, about, PIECE_PARTICIPANTS, now);
        let is_finished = !plan.more;
        let ended = plan.sids.len();
        let reached = if ended == keys.len() { last } else { ended.checked_sub(1).map(|index| keys[index]) };
        for client_id in &plan.untold {
            tracing::error!(
                client_id = client_id.as_str(),
                "the client cannot be told that sessions ended: its tokens need a sub, and none is known for it"
            );
        }
        set.apply_part(end.number, plan);
        if is_finished {
            set.finish(end.number);
        }
        config.store_set(transaction, set, now).await?;

        if is_finished {
            self.cursors.remove(&end.number);
            self.progress.0.send_replace(());
        } else if let Some(reached) = reached {
            self.cursors.insert(end.number, reached);
        }
        Ok(())
    }
}
