//! Where changes are written down: those that were made one by one, those that failed [counted](Repeats).

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::repeats::{Repeats, Written};
use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::domain::log::{LogEntry, LogEvent, LogId};
use crate::shutdown::Shutdown;
use crate::storage::LogStore;

/// How often it is looked for what has been counted for long enough.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where changes are written down. Clones are the same trail.
#[derive(Clone)]
pub struct Trail(Arc<Inner>);

struct Inner {
    store: Arc<dyn LogStore>,
    ambient: Ambient,
    repeats: Mutex<Repeats>,
}

impl Trail {
    /// Writes to `store`.
    pub fn new(store: Arc<dyn LogStore>, ambient: Ambient) -> Self {
        Self(Arc::new(Inner { store, ambient, repeats: Mutex::default() }))
    }

    /// A change was asked for.
    pub(super) async fn note(&self, written: Written) {
        let at_once = if written.change.succeeded {
            Some(written)
        } else {
            self.repeats().add(written, Instant::now())
        };
        if let Some(written) = at_once {
            self.write(written).await;
        }
    }

    /// Writes down what has been counted for a minute, until draining is asked for.
    pub async fn run(self, shutdown: Shutdown) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.draining() => return,
            }
            self.write_due(false).await;
        }
    }

    /// Writes down all that was counted: when nobody can ask any more.
    pub async fn finish(&self) {
        self.write_due(true).await;
    }

    async fn write_due(&self, all: bool) {
        let due = self.repeats().take_due(Instant::now(), all);
        for written in due {
            self.write(written).await;
        }
    }

    async fn write(&self, Written { change, client_id, user_id }: Written) {
        let Inner { store, ambient, .. } = &*self.0;
        let now = ambient.now();
        let id = LogId::new(now, ambient.entropy.uuid_v7(now));
        let entry = LogEntry { id, client_id, user_id, event: LogEvent::Change(Box::new(change)) };
        if let Err(error) = store.record(&entry).await {
            // The change itself stands; the request's span says which it was.
            tracing::error!(error = %Causes(&error), "a change could not be written to the audit trail");
        }
    }

    fn repeats(&self) -> MutexGuard<'_, Repeats> {
        self.0.repeats.lock().expect("no holder of this lock panics")
    }
}
