//! Sources that wait until their deliveries are final (`Prefer: wait`).
//!
//! The work is linear in what is waited for: a delivery that is final is noted once, and the store is asked for the
//! others only, a piece at a time.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::domain::delivery::State;
use crate::domain::ids::DeliveryId;
use crate::storage::{DeliveryReader, Result};

/// How often the store is asked without being told: another process may have settled the delivery, or a
/// client may have been removed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The same where so many are waited for that asking costs something.
const LOOK_AGAIN_AT_LEAST_EVERY: Duration = Duration::from_secs(10);

/// How many deliveries the store is asked about at a time.
const PIECE: usize = 1_000;

/// Who waits for which delivery. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    waiters: Arc<Mutex<HashMap<DeliveryId, Vec<Arc<Waiter>>>>>,
}

/// One who waits.
#[derive(Debug)]
struct Waiter {
    open: Mutex<HashSet<DeliveryId>>,
    /// Told when none is open any more.
    done: Notify,
}

impl Waiter {
    /// These need not be waited for any longer.
    fn close(&self, ids: impl IntoIterator<Item = DeliveryId>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            open.remove(&id);
        }
        if open.is_empty() {
            self.done.notify_one();
        }
    }

    fn open(&self) -> Vec<DeliveryId> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

impl Waiting {
    /// Nobody waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns where the deliveries stand as soon as all are final, or when `patience` has run out. Those that no
    /// longer exist are left out.
    pub async fn wait(
        &self,
        reader: &dyn DeliveryReader,
        ids: &[DeliveryId],
        patience: Duration,
    ) -> Result<HashMap<DeliveryId, State>> {
        let deadline = Instant::now() + patience;
        // Registered before the first look, so that nothing can settle unseen between look and wait.
        let registration = self.register(ids);
        let waiter = &registration.waiter;
        loop {
            let open = waiter.open();
            if open.is_empty() || Instant::now() >= deadline {
                return states(reader, ids).await;
            }
            // Also those that are gone: nobody will ever tell of them.
            let now = states(reader, &open).await?;
            waiter.close(open.into_iter().filter(|id| now.get(id).is_none_or(|state| state.is_final())));
            let pieces = u32::try_from(now.len() / PIECE).unwrap_or(u32::MAX).saturating_add(1);
            let pause = LOOK_AGAIN.saturating_mul(pieces).min(LOOK_AGAIN_AT_LEAST_EVERY);
            let wake_up = deadline.min(Instant::now() + pause);
            // Too late or told: look again either way.
            let _ = timeout_at(wake_up, waiter.done.notified()).await;
        }
    }

    /// Tells whoever waits for this delivery that it is final.
    pub(super) fn finished(&self, id: DeliveryId) {
        let waiters = self.lock().remove(&id).unwrap_or_default();
        for waiter in waiters {
            waiter.close([id]);
        }
    }

    /// A piece at a time, so that whoever settles gets in between.
    fn register(&self, ids: &[DeliveryId]) -> Registration<'_> {
        let waiter = Waiter { open: Mutex::new(ids.iter().copied().collect()), done: Notify::new() };
        let waiter = Arc::new(waiter);
        for piece in ids.chunks(PIECE) {
            let mut waiters = self.lock();
            for id in piece {
                waiters.entry(*id).or_default().push(Arc::clone(&waiter));
            }
        }
        Registration { waiting: self, waiter, ids: ids.to_vec() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DeliveryId, Vec<Arc<Waiter>>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where these deliveries stand; those that no longer exist are left out.
pub async fn states(reader: &dyn DeliveryReader, ids: &[DeliveryId]) -> Result<HashMap<DeliveryId, State>> {
    let mut states = HashMap::with_capacity(ids.len());
    for piece in ids.chunks(PIECE) {
        let summaries = reader.summaries(piece).await?;
        states.extend(summaries.into_iter().map(|it| (it.id, it.state)));
    }
    Ok(states)
}

/// Takes the waiter off the list again, whichever way it stopped waiting.
struct Registration<'a> {
    waiting: &'a Waiting,
    waiter: Arc<Waiter>,
    ids: Vec<DeliveryId>,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        for piece in self.ids.chunks(PIECE) {
            let mut waiters = self.waiting.lock();
            for id in piece {
                if let Some(list) = waiters.get_mut(id) {
                    list.retain(|it| !Arc::ptr_eq(it, &self.waiter));
                    if list.is_empty() {
                        waiters.remove(id);
                    }
                }
            }
        }
    }
}
