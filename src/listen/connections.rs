//! Which connections of a listener are open, and which of them makes place for another when there are too many:
//! the oldest that never asked anything, or else the one that has not been asked on for longest. Never one that
//! is waited for an answer on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::limits::Limits;

/// The open connections of a listener. Clones share them.
#[derive(Clone)]
pub(super) struct Connections(Arc<Open>);

struct Open {
    places: Arc<Semaphore>,
    queue: Mutex<Queue>,
}

/// Those that nothing is being answered on, in the order in which they make place.
#[derive(Default)]
struct Queue {
    /// Those that never asked anything, in the order they came in.
    silent: BTreeMap<u64, CancellationToken>,
    /// Those that did, in the order in which they fell idle.
    idle: BTreeMap<u64, CancellationToken>,
    next: u64,
    /// Somebody waits for a place, and there was nobody to make one.
    wanted: bool,
}

/// A connection's place. Dropping it makes place for another.
pub(super) struct Place {
    open: Arc<Open>,
    crowded_out: CancellationToken,
    asked: AtomicBool,
    activity: Mutex<Activity>,
    _permit: OwnedSemaphorePermit,
}

struct Activity {
    /// The connection's number in the queue.
    number: u64,
    /// How many requests are being answered.
    answering: usize,
    /// Since when there has been none.
    quiet_since: Instant,
    /// Since when the peer has taken nothing of what is written.
    stalled_since: Option<Instant>,
}

/// A request that is being answered, until it is dropped.
pub(super) struct Answering(Arc<Place>);

/// Why a connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// Nothing was asked for too long.
    Idle,
    /// What is written is not read.
    Stalled,
}

impl Connections {
    /// None is open yet.
    pub(super) fn new(most: usize) -> Self {
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Open { places, queue: Mutex::default() }))
    }

    /// A place for one more. If there is none, another connection is asked to make it; it waits for as long as
    /// all are being answered on.
    pub(super) async fn place(&self) -> Arc<Place> {
        let permit = if let Ok(permit) = Arc::clone(&self.0.places).try_acquire_owned() {
            permit
        } else {
            self.0.queue().make_place();
            let permit = Arc::clone(&self.0.places).acquire_owned().await;
            self.0.queue().wanted = false;
            permit.expect("it is never closed")
        };
        let crowded_out = CancellationToken::new();
        let number = self.0.queue().push_silent(crowded_out.clone());
        let activity = Activity { number, answering: 0, quiet_since: Instant::now(), stalled_since: None };
        Arc::new(Place {
            open: Arc::clone(&self.0),
            crowded_out,
            asked: AtomicBool::new(false),
            activity: Mutex::new(activity),
            _permit: permit,
        })
    }
}

impl Open {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no holder of this lock panics")
    }
}

impl Queue {
    fn make_place(&mut self) {
        match self.silent.pop_first().or_else(|| self.idle.pop_first()) {
            Some((_, connection)) => connection.cancel(),
            None => self.wanted = true,
        }
    }

    fn push_silent(&mut self, connection: CancellationToken) -> u64 {
        let number = self.number();
        self.silent.insert(number, connection);
        number
    }

    fn push_idle(&mut self, connection: &CancellationToken) -> u64 {
        let number = self.number();
        if std::mem::take(&mut self.wanted) {
            connection.cancel();
        } else {
            self.idle.insert(number, connection.clone());
        }
        number
    }

    fn remove(&mut self, number: u64) {
        if self.silent.remove(&number).is_none() {
            self.idle.remove(&number);
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Place {
    /// A request came.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        let mut activity = self.activity();
        activity.answering += 1;
        if activity.answering == 1 {
            self.asked.store(true, Ordering::Relaxed);
            self.open.queue().remove(activity.number);
        }
        Answering(Arc::clone(self))
    }

    fn answered(&self) {
        let mut activity = self.activity();
        activity.answering -= 1;
        if activity.answering == 0 {
            activity.quiet_since = Instant::now();
            activity.number = self.open.queue().push_idle(&self.crowded_out);
        }
    }

    /// Whether anything was ever asked.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// For how long nothing has been answered on it.
    pub(super) fn quiet_for(&self) -> Duration {
        let activity = self.activity();
        if activity.answering > 0 { Duration::ZERO } else { activity.quiet_since.elapsed() }
    }

    /// What is written is not taken, or is again.
    pub(super) fn stalls(&self, stalls: bool) {
        let mut activity = self.activity();
        match (stalls, activity.stalled_since) {
            (true, None) => activity.stalled_since = Some(Instant::now()),
            (false, Some(_)) => activity.stalled_since = None,
            _ => {}
        }
    }

    /// Returns when another connection needs the place.
    pub(super) async fn crowded_out(&self) {
        self.crowded_out.cancelled().await;
    }

    /// Returns when the peer has used up its time.
    pub(super) async fn overdue(&self, limits: &Limits) -> Overdue {
        loop {
            let now = Instant::now();
            let (stalled, quiet) = {
                let activity = self.activity();
                let quiet = (activity.answering == 0).then_some(activity.quiet_since);
                (activity.stalled_since.map(|at| at + limits.stall), quiet.map(|at| at + limits.idle))
            };
            if stalled.is_some_and(|at| at <= now) {
                return Overdue::Stalled;
            }
            if quiet.is_some_and(|at| at <= now) {
                return Overdue::Idle;
            }
            // What begins meanwhile is seen no later than it would be overdue.
            let look_again = now + limits.stall.min(limits.idle);
            sleep_until(stalled.into_iter().chain(quiet).fold(look_again, Instant::min)).await;
        }
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().expect("no holder of this lock panics")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let number = self.activity().number;
        self.open.queue().remove(number);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answered();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// A place, if there is one at once.
    fn now<T>(place: impl Future<Output = T>) -> Option<T> {
        match std::pin::pin!(place).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    fn asked_to_go(places: &[&Arc<Place>]) -> Vec<bool> {
        places.iter().map(|place| place.crowded_out.is_cancelled()).collect()
    }

    #[tokio::test]
    async fn the_oldest_that_never_asked_makes_place_then_the_one_that_is_idle_for_longest() {
        let connections = Connections::new(4);
        let [a, b, c, d] = [0; 4].map(|_| now(connections.place()).unwrap());
        drop(a.answering());
        drop(b.answering());
        drop(a.answering());
        let order: Vec<_> = (0..3)
            .map(|_| {
                assert!(now(connections.place()).is_none());
                asked_to_go(&[&a, &b, &c, &d])
            })
            .collect();
        assert_eq!(
            order,
            [[false, false, true, false], [false, false, true, true], [false, true, true, true]],
            "c and d never asked, b asked before a did"
        );
        drop(c);
        assert!(now(connections.place()).is_some());
    }

    #[tokio::test]
    async fn nobody_who_waits_for_an_answer_makes_place_until_it_is_there() {
        let connections = Connections::new(2);
        let [a, b] = [0; 2].map(|_| now(connections.place()).unwrap());
        let (one, two, other) = (a.answering(), a.answering(), b.answering());
        let mut waiting = Box::pin(connections.place());
        assert!(now(waiting.as_mut()).is_none());
        drop(one);
        assert_eq!(asked_to_go(&[&a, &b]), [false, false]);
        drop(two);
        assert_eq!(asked_to_go(&[&a, &b]), [true, false]);
        drop(other);
        assert_eq!(asked_to_go(&[&a, &b]), [true, false], "one is enough");
        drop(a);
        waiting.await;
    }
}
