//! Requests that wait until their deliveries are final (`Prefer: wait`).
//!
//! The work is linear in the number of deliveries: each is crossed off once, and the store is only asked for those
//! that are left, in batches.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::domain::delivery::State;
use crate::domain::ids::DeliveryId;
use crate::storage::{DeliveryReader, Result};

/// How often the store is asked: another process may have settled a delivery, or a client may have been removed.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The longest interval. It grows with the number of deliveries, as the cost of asking does.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(10);

/// How many deliveries the store is asked for at a time.
const BATCH: usize = 1_000;

/// The requests that wait, by delivery. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    waiters: Arc<Mutex<HashMap<DeliveryId, Vec<Arc<Waiter>>>>>,
}

/// One request.
#[derive(Debug)]
struct Waiter {
    /// The deliveries that are not final yet.
    open: Mutex<HashSet<DeliveryId>>,
    /// Notified when there are none any more.
    done: Notify,
}

impl Waiter {
    /// These are final, or no longer exist.
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
    /// No request waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the states of the deliveries as soon as all are final, or after `timeout`. Deliveries that no longer
    /// exist are left out.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn wait(
        &self,
        reader: &dyn DeliveryReader,
        ids: &[DeliveryId],
        timeout: Duration,
    ) -> Result<HashMap<DeliveryId, State>> {
        let deadline = Instant::now() + timeout;
        // Registered before the first query, so that no settlement between query and wait is missed.
        let registration = self.register(ids);
        let waiter = &registration.waiter;
        loop {
            let open = waiter.open();
            if open.is_empty() || Instant::now() >= deadline {
                return states(reader, ids).await;
            }
            let states = states(reader, &open).await?;
            // A delivery that no longer exists is never settled.
            let closed = |id: &DeliveryId| states.get(id).is_none_or(|state| state.is_final());
            waiter.close(open.into_iter().filter(closed));
            let batches = u32::try_from(states.len() / BATCH).unwrap_or(u32::MAX).saturating_add(1);
            let interval = POLL_INTERVAL.saturating_mul(batches).min(MAX_POLL_INTERVAL);
            let next_poll = deadline.min(Instant::now() + interval);
            // Notified or timed out: the loop checks which.
            let _ = timeout_at(next_poll, waiter.done.notified()).await;
        }
    }

    /// Notifies the requests that wait for this delivery: it is final.
    pub(super) fn finished(&self, id: DeliveryId) {
        let waiters = self.lock().remove(&id).unwrap_or_default();
        for waiter in waiters {
            waiter.close([id]);
        }
    }

    /// In batches, so that the settler gets the lock in between.
    fn register(&self, ids: &[DeliveryId]) -> Registration<'_> {
        let waiter = Waiter { open: Mutex::new(ids.iter().copied().collect()), done: Notify::new() };
        let waiter = Arc::new(waiter);
        for batch in ids.chunks(BATCH) {
            let mut waiters = self.lock();
            for id in batch {
                waiters.entry(*id).or_default().push(Arc::clone(&waiter));
            }
        }
        Registration { waiting: self, waiter, ids: ids.to_vec() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DeliveryId, Vec<Arc<Waiter>>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The states of these deliveries. Those that no longer exist are left out.
///
/// # Errors
/// If the store cannot be read.
pub async fn states(reader: &dyn DeliveryReader, ids: &[DeliveryId]) -> Result<HashMap<DeliveryId, State>> {
    let mut states = HashMap::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        let summaries = reader.summaries(batch).await?;
        states.extend(summaries.into_iter().map(|it| (it.id, it.state)));
    }
    Ok(states)
}

/// Removes the waiter when it is dropped, also when the request was cancelled.
struct Registration<'a> {
    waiting: &'a Waiting,
    waiter: Arc<Waiter>,
    ids: Vec<DeliveryId>,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        for batch in self.ids.chunks(BATCH) {
            let mut waiters = self.waiting.lock();
            for id in batch {
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
