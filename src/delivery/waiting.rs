//! Sources that wait until their deliveries are final (`Prefer: wait`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::domain::delivery::DeliverySummary;
use crate::domain::ids::DeliveryId;
use crate::storage::{DeliveryReader, Result};

/// How often the store is asked without being told: another process may have settled the delivery, or a
/// client may have been removed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Who waits for which delivery. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    waiters: Arc<Mutex<HashMap<DeliveryId, Vec<Arc<Notify>>>>>,
}

impl Waiting {
    /// Nobody waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns where the deliveries stand as soon as all are final, or when `patience` has run out.
    pub async fn wait(
        &self,
        reader: &dyn DeliveryReader,
        ids: &[DeliveryId],
        patience: Duration,
    ) -> Result<Vec<DeliverySummary>> {
        let deadline = Instant::now() + patience;
        // Registered before the first look, so that nothing can settle unseen between look and wait.
        let registration = self.register(ids);
        loop {
            let summaries = reader.summaries(ids).await?;
            if summaries.iter().all(|it| it.state.is_final()) || Instant::now() >= deadline {
                return Ok(summaries);
            }
            let wake_up = deadline.min(Instant::now() + LOOK_AGAIN);
            // Too late or told: look again either way.
            let _ = timeout_at(wake_up, registration.notify.notified()).await;
        }
    }

    /// Tells whoever waits for this delivery that it is final.
    pub(super) fn finished(&self, id: DeliveryId) {
        for notify in self.lock().remove(&id).unwrap_or_default() {
            notify.notify_one();
        }
    }

    fn register<'a>(&'a self, ids: &'a [DeliveryId]) -> Registration<'a> {
        let notify = Arc::new(Notify::new());
        let mut waiters = self.lock();
        for id in ids {
            waiters.entry(*id).or_default().push(Arc::clone(&notify));
        }
        Registration { waiting: self, ids, notify }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DeliveryId, Vec<Arc<Notify>>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the waiter off the list again, whichever way it stopped waiting.
struct Registration<'a> {
    waiting: &'a Waiting,
    ids: &'a [DeliveryId],
    notify: Arc<Notify>,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let mut waiters = self.waiting.lock();
        for id in self.ids {
            if let Some(list) = waiters.get_mut(id) {
                list.retain(|it| !Arc::ptr_eq(it, &self.notify));
                if list.is_empty() {
                    waiters.remove(id);
                }
            }
        }
    }
}
