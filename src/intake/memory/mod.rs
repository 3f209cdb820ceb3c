//! The memory that events take, from before their body is read until they are answered.
//!
//! A budget is divided before anything is read. Small bodies have a budget of their own, so that they are accepted while
//! large ones use theirs up. No reporter gets more than half of either budget: one that sends large bodies, or sends
//! them slowly, leaves the other half to the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::access::{Reporter, ReporterKey};
use crate::domain::event::Event;

mod estimate;

use estimate::estimated_size;

/// The longest body that counts as small, in bytes.
pub const SMALL_BODY: usize = 16 * 1024;

/// What each byte of a body reserves while the body is read and parsed, in bytes: for the frames that it arrives in, the
/// whole body, and the events parsed from it.
pub const MEMORY_PER_BODY_BYTE: usize = 4;

/// The budget for small bodies, in bytes.
pub const SMALL_BODY_BUDGET: usize = 32 * 1024 * 1024;

/// The budget for other bodies, in bytes.
pub const LARGE_BODY_BUDGET: usize = 128 * 1024 * 1024;

/// What a request reserves at least, in bytes.
const MIN_RESERVED: usize = 1024;

/// How long a request waits for memory before it is rejected.
const WAIT_TIMEOUT: Duration = Duration::from_secs(2);

/// How many reporters are kept before those without a permit are dropped.
const PRUNE_ABOVE: usize = 1024;

/// No memory became free in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BudgetExhausted;

/// The memory that all events together may take.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    small: Pool,
    large: Pool,
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self { small: Pool::new(SMALL_BODY_BUDGET), large: Pool::new(LARGE_BODY_BUDGET) }
    }
}

impl MemoryBudget {
    /// Reserves memory for a body of `body` bytes and the events in it. Waits for it for up to two seconds.
    pub(super) async fn reserve(
        &self,
        reporter: &Reporter,
        body: usize,
    ) -> Result<MemoryPermit, BudgetExhausted> {
        let pool = if body <= SMALL_BODY { &self.small } else { &self.large };
        let bytes = body.saturating_mul(MEMORY_PER_BODY_BYTE).max(MIN_RESERVED);
        tokio::time::timeout(WAIT_TIMEOUT, pool.acquire(reporter.key(), bytes))
            .await
            .map_err(|_| BudgetExhausted)
    }
}

/// The budget for bodies of one kind.
#[derive(Debug)]
struct Pool {
    total: Arc<Semaphore>,
    share: usize,
    shares: Mutex<HashMap<ReporterKey, Weak<Semaphore>>>,
}

impl Pool {
    fn new(bytes: usize) -> Self {
        Self { total: Arc::new(Semaphore::new(bytes)), share: bytes / 2, shares: Mutex::default() }
    }

    async fn acquire(&self, reporter: ReporterKey, bytes: usize) -> MemoryPermit {
        // From the reporter's share first: a reporter that has used it up does not queue for the total.
        let share = acquire(self.share_of(reporter), bytes).await;
        let total = acquire(Arc::clone(&self.total), bytes).await;
        MemoryPermit { share, total }
    }

    fn share_of(&self, reporter: ReporterKey) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&reporter).and_then(Weak::upgrade) {
            return share;
        }
        if shares.len() >= PRUNE_ABOVE {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(self.share));
        shares.insert(reporter, Arc::downgrade(&share));
        share
    }
}

async fn acquire(semaphore: Arc<Semaphore>, bytes: usize) -> OwnedSemaphorePermit {
    semaphore.acquire_many_owned(permits(bytes)).await.expect("the semaphore is never closed")
}

/// One permit is one byte.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Memory that is reserved for a request. Dropping it returns the memory to the budget.
#[derive(Debug)]
pub struct MemoryPermit {
    share: OwnedSemaphorePermit,
    total: OwnedSemaphorePermit,
}

impl MemoryPermit {
    /// How much memory is reserved, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.total.num_permits()
    }

    /// Splits off what one of the events takes that this was [resized for](Self::resize_for).
    pub(super) fn split_off(&mut self, event: &Event) -> Self {
        let bytes = estimated_size(event);
        let part =
            |permit: &mut OwnedSemaphorePermit| permit.split(bytes).expect("it is as large as its events");
        Self { share: part(&mut self.share), total: part(&mut self.total) }
    }

    /// Reserves what these events take: their body, for which this was reserved, is dropped by now.
    pub(super) fn resize_for(&mut self, events: &[Event]) -> Result<(), BudgetExhausted> {
        let wanted = events.iter().map(estimated_size).sum::<usize>().max(MIN_RESERVED);
        let held = self.bytes();
        if let Some(more) = wanted.checked_sub(held) {
            // Without waiting: requests that wait while they hold memory could wait for each other.
            for part in [&mut self.share, &mut self.total] {
                let more = Arc::clone(part.semaphore()).try_acquire_many_owned(permits(more));
                part.merge(more.map_err(|_| BudgetExhausted)?);
            }
        } else {
            for part in [&mut self.share, &mut self.total] {
                drop(part.split(held - wanted));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::Caller;
    use crate::domain::event::EventBody;
    use crate::domain::test_support::created;

    const LARGE: usize = 1024 * 1024;

    fn reporter(name: &str) -> Reporter {
        Reporter::of(&Caller::Jwt { subject: None, client: Some(name.parse().unwrap()) })
    }

    /// An event that names this many clients.
    fn event(clients: usize) -> Event {
        let clients: Vec<_> = (0..clients).map(|n| format!("c{n}")).collect();
        let named: Vec<_> = clients.iter().map(String::as_str).collect();
        let body = EventBody::Created(created("s", &named));
        Event { source: "s".to_owned(), id: "e".to_owned(), time: None, body }
    }

    /// As many permits as the budget has at once.
    async fn fill(budget: &MemoryBudget, name: &str, body: usize) -> Vec<MemoryPermit> {
        let mut permits = Vec::new();
        while let Ok(permit) = budget.reserve(&reporter(name), body).await {
            permits.push(permit);
        }
        permits
    }

    #[tokio::test(start_paused = true)]
    async fn no_reporter_gets_more_than_half_and_small_bodies_have_a_budget_of_their_own() {
        let budget = MemoryBudget::default();
        let first = fill(&budget, "a", LARGE).await;
        assert_eq!(first.len(), LARGE_BODY_BUDGET / 2 / MEMORY_PER_BODY_BYTE / LARGE);
        let second = fill(&budget, "b", LARGE).await;
        assert_eq!(second.len(), first.len());
        assert_eq!(fill(&budget, "c", SMALL_BODY + 1).await.len(), 0, "all of it is given out");
        let small = fill(&budget, "a", SMALL_BODY).await;
        assert_eq!(small.len(), SMALL_BODY_BUDGET / 2 / MEMORY_PER_BODY_BYTE / SMALL_BODY);
        assert!(budget.reserve(&reporter("c"), SMALL_BODY).await.is_ok());
        drop(first);
        assert_eq!(
            fill(&budget, "c", LARGE).await.len(),
            LARGE_BODY_BUDGET / 2 / MEMORY_PER_BODY_BYTE / LARGE
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_request_gets_what_becomes_free() {
        let budget = MemoryBudget::default();
        let mut permits = fill(&budget, "a", LARGE).await;
        let free = async {
            tokio::time::sleep(WAIT_TIMEOUT / 2).await;
            drop(permits.pop());
        };
        let reporter = reporter("a");
        let (waited, ()) = tokio::join!(budget.reserve(&reporter, LARGE), free);
        assert!(waited.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_is_resized_for_the_parsed_events() {
        let budget = MemoryBudget::default();
        let mut permit = budget.reserve(&reporter("a"), LARGE).await.unwrap();
        permit.resize_for(&[event(1)]).unwrap();
        assert!(permit.bytes() < 4096, "{}", permit.bytes());
        permit.resize_for(&vec![event(1_000); 10]).unwrap();
        assert!((500_000..2_000_000).contains(&permit.bytes()), "{}", permit.bytes());
        let others = fill(&budget, "a", LARGE).await;
        assert_eq!(others.len(), LARGE_BODY_BUDGET / 2 / MEMORY_PER_BODY_BYTE / LARGE - 1);
        assert_eq!(permit.resize_for(&vec![event(1_000); 100]), Err(BudgetExhausted));
        drop((permit, others));
        assert_eq!(budget.large.total.available_permits(), LARGE_BODY_BUDGET);
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_is_split_by_events() {
        let budget = MemoryBudget::default();
        let events: Vec<_> = [1, 10, 100].map(event).into();
        let mut permit = budget.reserve(&reporter("a"), LARGE).await.unwrap();
        permit.resize_for(&events).unwrap();
        let parts: Vec<_> = events.iter().map(|event| permit.split_off(event)).collect();
        for (part, event) in parts.iter().zip(&events) {
            assert_eq!(part.bytes(), estimated_size(event));
        }
        assert_eq!(permit.bytes(), 0);
        drop(parts);
        assert_eq!(budget.large.total.available_permits(), LARGE_BODY_BUDGET);
    }

    #[tokio::test(start_paused = true)]
    async fn reporters_without_a_permit_are_dropped() {
        let budget = MemoryBudget::default();
        for n in 0..3 * PRUNE_ABOVE {
            drop(budget.reserve(&reporter(&format!("c{n}")), 1).await.unwrap());
        }
        assert!(budget.small.shares.lock().unwrap().len() <= PRUNE_ABOVE);
    }
}
