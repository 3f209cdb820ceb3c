//! How much memory what is reported may take, from before its body is read until it is answered.
//!
//! It is given out in shares before anything is read. Small bodies have room of their own, so that they are taken
//! while large ones fill theirs; and no reporter gets more than half of either, so that one which sends large
//! bodies, or sends them slowly, leaves the other half to the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::access::{Reporter, ReporterKey};
use crate::domain::event::Event;

use super::weight::weight;

/// The longest body that is a small one, in bytes.
pub const SMALL_BODY: usize = 16 * 1024;

/// What a body is charged for while it is read and parsed, in bytes for each of its own: the pieces it comes in,
/// the whole, and the events made of it.
pub const PER_BYTE: usize = 4;

/// All the room for small bodies, in bytes as they are charged.
pub const SMALL_ROOM: usize = 32 * 1024 * 1024;

/// All the room for other bodies, likewise.
pub const LARGE_ROOM: usize = 128 * 1024 * 1024;

/// How long a request waits for room before it is turned away.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many reporters are remembered before those that have nothing are forgotten.
const FORGET_ABOVE: usize = 1024;

/// There was no room for a request in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The room there is.
#[derive(Debug)]
pub(super) struct Room {
    small: Pool,
    large: Pool,
}

impl Default for Room {
    fn default() -> Self {
        Self { small: Pool::new(SMALL_ROOM), large: Pool::new(LARGE_ROOM) }
    }
}

impl Room {
    /// Room for a body of so many bytes, and for what is made of it. Waits for it for two seconds at the most.
    pub(super) async fn make(&self, reporter: &Reporter, body: usize) -> Result<Charge, Full> {
        let pool = if body <= SMALL_BODY { &self.small } else { &self.large };
        // Whatever its length, a request costs something.
        let bytes = body.saturating_mul(PER_BYTE).max(1024);
        tokio::time::timeout(PATIENCE, pool.take(reporter.key(), bytes)).await.map_err(|_| Full)
    }
}

/// A part of the room.
#[derive(Debug)]
struct Pool {
    all: Arc<Semaphore>,
    share: usize,
    shares: Mutex<HashMap<ReporterKey, Weak<Semaphore>>>,
}

impl Pool {
    fn new(bytes: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(bytes)), share: bytes / 2, shares: Mutex::default() }
    }

    async fn take(&self, reporter: ReporterKey, bytes: usize) -> Charge {
        // The reporter's own share first: whoever has used it up does not stand in line for the rest.
        let share = acquire(self.share_of(reporter), bytes).await;
        let all = acquire(Arc::clone(&self.all), bytes).await;
        Charge { share, all }
    }

    fn share_of(&self, reporter: ReporterKey) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&reporter).and_then(Weak::upgrade) {
            return share;
        }
        if shares.len() >= FORGET_ABOVE {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(self.share));
        shares.insert(reporter, Arc::downgrade(&share));
        share
    }
}

async fn acquire(semaphore: Arc<Semaphore>, bytes: usize) -> OwnedSemaphorePermit {
    semaphore.acquire_many_owned(permits(bytes)).await.expect("nobody closes it")
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// What a request has of the room. It is given back when this is dropped.
#[derive(Debug)]
pub struct Charge {
    share: OwnedSemaphorePermit,
    all: OwnedSemaphorePermit,
}

impl Charge {
    /// How much it is, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.all.num_permits()
    }

    /// Makes it what these events take, now that they are known and their body is gone.
    pub(super) fn fit(&mut self, events: &[Event]) -> Result<(), Full> {
        let wanted = events.iter().map(weight).sum::<usize>().max(1024);
        let held = self.bytes();
        if let Some(more) = wanted.checked_sub(held) {
            // No waiting: those that wait while they hold something could wait for each other.
            for part in [&mut self.share, &mut self.all] {
                let more = Arc::clone(part.semaphore()).try_acquire_many_owned(permits(more));
                part.merge(more.map_err(|_| Full)?);
            }
        } else {
            for part in [&mut self.share, &mut self.all] {
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

    /// As many charges as there is room for at once.
    async fn fill(room: &Room, name: &str, body: usize) -> Vec<Charge> {
        let mut charges = Vec::new();
        while let Ok(charge) = room.make(&reporter(name), body).await {
            charges.push(charge);
        }
        charges
    }

    #[tokio::test(start_paused = true)]
    async fn no_reporter_gets_more_than_half_and_small_bodies_have_their_own() {
        let room = Room::default();
        let first = fill(&room, "a", LARGE).await;
        assert_eq!(first.len(), LARGE_ROOM / 2 / PER_BYTE / LARGE);
        let second = fill(&room, "b", LARGE).await;
        assert_eq!(second.len(), first.len());
        assert_eq!(fill(&room, "c", SMALL_BODY + 1).await.len(), 0, "all of it is given out");
        let small = fill(&room, "a", SMALL_BODY).await;
        assert_eq!(small.len(), SMALL_ROOM / 2 / PER_BYTE / SMALL_BODY);
        assert!(room.make(&reporter("c"), SMALL_BODY).await.is_ok());
        drop(first);
        assert_eq!(fill(&room, "c", LARGE).await.len(), LARGE_ROOM / 2 / PER_BYTE / LARGE);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_gets_what_becomes_free() {
        let room = Room::default();
        let mut charges = fill(&room, "a", LARGE).await;
        let free = async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(charges.pop());
        };
        let reporter = reporter("a");
        let (waited, ()) = tokio::join!(room.make(&reporter, LARGE), free);
        assert!(waited.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_parsed_is_charged_for_what_it_takes() {
        let room = Room::default();
        let event = |clients: usize| {
            let clients: Vec<_> = (0..clients).map(|n| format!("c{n}")).collect();
            let named: Vec<_> = clients.iter().map(String::as_str).collect();
            let body = EventBody::Created(created("s", &named));
            Event { source: "s".to_owned(), id: "e".to_owned(), time: None, body }
        };
        let mut charge = room.make(&reporter("a"), LARGE).await.unwrap();
        charge.fit(&[event(1)]).unwrap();
        assert!(charge.bytes() < 4096, "{}", charge.bytes());
        charge.fit(&vec![event(1_000); 10]).unwrap();
        assert!((500_000..2_000_000).contains(&charge.bytes()), "{}", charge.bytes());
        let others = fill(&room, "a", LARGE).await;
        assert_eq!(others.len(), LARGE_ROOM / 2 / PER_BYTE / LARGE - 1);
        assert_eq!(charge.fit(&vec![event(1_000); 100]), Err(Full));
        drop((charge, others));
        assert_eq!(room.large.all.available_permits(), LARGE_ROOM);
    }

    #[tokio::test(start_paused = true)]
    async fn reporters_without_anything_are_forgotten() {
        let room = Room::default();
        for n in 0..3 * FORGET_ABOVE {
            drop(room.make(&reporter(&format!("c{n}")), 1).await.unwrap());
        }
        assert!(room.small.shares.lock().unwrap().len() <= FORGET_ABOVE);
    }
}
