//! Records changes: successful ones one by one, failed ones [counted](Repeats).

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::repeats::{Repeats, Written};
use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::domain::log::{LogEntry, LogEvent, LogId};
use crate::shutdown::Shutdown;
use crate::storage::LogStore;

/// How often counts that are due are recorded.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Records changes in the audit trail. Clones share their counts.
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

    /// Records a change, or counts it if it failed.
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

    /// Records the counts whose minute is over, until the service drains.
    pub async fn run(self, shutdown: Shutdown) {
        let mut ticks = interval(FLUSH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.draining() => return,
            }
            self.write_due(false).await;
        }
    }

    /// Records all counts. To be called when no request can come any more.
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
            // The change itself is made; the request's span says which it is.
            tracing::error!(error = %Causes(&error), "a change could not be written to the audit trail");
        }
    }

    fn repeats(&self) -> MutexGuard<'_, Repeats> {
        self.0.repeats.lock().expect("no holder of this lock panics")
    }
}
