//! The open connections of a listener, up to a maximum. When it is reached, another one is closed for each that comes
//! in: the oldest without any request so far, or else the one that has been idle for longest. A connection with a request
//! in flight is never closed for another.

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
    permits: Arc<Semaphore>,
    evictable: Mutex<Evictable>,
}

/// The connections without a request in flight, in the order in which they are evicted.
#[derive(Default)]
struct Evictable {
    /// Those without any request so far, by age.
    unused: BTreeMap<u64, CancellationToken>,
    /// The others, by the time at which they became idle.
    idle: BTreeMap<u64, CancellationToken>,
    next: u64,
    /// A new connection waits, and none could be evicted for it yet.
    wanted: bool,
}

/// An open connection. Dropping it lets another one in.
pub(super) struct Connection {
    open: Arc<Open>,
    evicted: CancellationToken,
    had_request: AtomicBool,
    activity: Mutex<Activity>,
    _permit: OwnedSemaphorePermit,
}

struct Activity {
    /// Its number among the evictable connections.
    number: u64,
    /// How many requests are in flight.
    in_flight: usize,
    /// Since when there is none.
    idle_since: Instant,
    /// Since when the peer has read nothing of what is written.
    stalled_since: Option<Instant>,
}

/// A request in flight, until it is dropped.
pub(super) struct InFlight(Arc<Connection>);

/// Which time limit a connection has exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeLimit {
    /// [`Limits::idle`].
    Idle,
    /// [`Limits::stall`].
    Stalled,
}

impl Connections {
    /// No connections yet, and at most this many.
    pub(super) fn new(most: usize) -> Self {
        let permits = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Open { permits, evictable: Mutex::default() }))
    }

    /// Admits one more. At the maximum another one is evicted for it; while all have requests in flight, this waits.
    pub(super) async fn admit(&self) -> Arc<Connection> {
        let permit = if let Ok(permit) = Arc::clone(&self.0.permits).try_acquire_owned() {
            permit
        } else {
            self.0.evictable().evict();
            let permit = Arc::clone(&self.0.permits).acquire_owned().await;
            self.0.evictable().wanted = false;
            permit.expect("it is never closed")
        };
        let evicted = CancellationToken::new();
        let number = self.0.evictable().push_unused(evicted.clone());
        let activity = Activity { number, in_flight: 0, idle_since: Instant::now(), stalled_since: None };
        Arc::new(Connection {
            open: Arc::clone(&self.0),
            evicted,
            had_request: AtomicBool::new(false),
            activity: Mutex::new(activity),
            _permit: permit,
        })
    }
}

impl Open {
    fn evictable(&self) -> MutexGuard<'_, Evictable> {
        self.evictable.lock().expect("no holder of this lock panics")
    }
}

impl Evictable {
    fn evict(&mut self) {
        match self.unused.pop_first().or_else(|| self.idle.pop_first()) {
            Some((_, connection)) => connection.cancel(),
            None => self.wanted = true,
        }
    }

    fn push_unused(&mut self, connection: CancellationToken) -> u64 {
        let number = self.number();
        self.unused.insert(number, connection);
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
        if self.unused.remove(&number).is_none() {
            self.idle.remove(&number);
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Connection {
    /// A request has begun.
    pub(super) fn begin_request(self: &Arc<Self>) -> InFlight {
        let mut activity = self.activity();
        activity.in_flight += 1;
        if activity.in_flight == 1 {
            self.had_request.store(true, Ordering::Relaxed);
            self.open.evictable().remove(activity.number);
        }
        InFlight(Arc::clone(self))
    }

    fn end_request(&self) {
        let mut activity = self.activity();
        activity.in_flight -= 1;
        if activity.in_flight == 0 {
            activity.idle_since = Instant::now();
            activity.number = self.open.evictable().push_idle(&self.evicted);
        }
    }

    /// Whether it has had any request.
    pub(super) fn has_had_request(&self) -> bool {
        self.had_request.load(Ordering::Relaxed)
    }

    /// For how long it has had no request in flight.
    pub(super) fn idle_for(&self) -> Duration {
        let activity = self.activity();
        if activity.in_flight > 0 { Duration::ZERO } else { activity.idle_since.elapsed() }
    }

    /// Notes whether the peer reads what is written.
    pub(super) fn stalls(&self, stalls: bool) {
        let mut activity = self.activity();
        match (stalls, activity.stalled_since) {
            (true, None) => activity.stalled_since = Some(Instant::now()),
            (false, Some(_)) => activity.stalled_since = None,
            _ => {}
        }
    }

    /// Returns when it is evicted.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    /// Returns when it has exceeded a time limit.
    pub(super) async fn over_limit(&self, limits: &Limits) -> TimeLimit {
        loop {
            let now = Instant::now();
            let (stalled, idle) = {
                let activity = self.activity();
                let idle = (activity.in_flight == 0).then_some(activity.idle_since);
                (activity.stalled_since.map(|at| at + limits.stall), idle.map(|at| at + limits.idle))
            };
            if stalled.is_some_and(|at| at <= now) {
                return TimeLimit::Stalled;
            }
            if idle.is_some_and(|at| at <= now) {
                return TimeLimit::Idle;
            }
            // A stall or idle time that begins meanwhile is noticed no later than it exceeds its limit.
            let latest = now + limits.stall.min(limits.idle);
            sleep_until(stalled.into_iter().chain(idle).fold(latest, Instant::min)).await;
        }
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().expect("no holder of this lock panics")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let number = self.activity().number;
        self.open.evictable().remove(number);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end_request();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// The output of a future that is ready at once.
    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    fn evicted(connections: &[&Arc<Connection>]) -> Vec<bool> {
        connections.iter().map(|connection| connection.evicted.is_cancelled()).collect()
    }

    #[tokio::test]
    async fn unused_connections_are_evicted_by_age_then_the_one_that_is_idle_for_longest() {
        let connections = Connections::new(4);
        let [a, b, c, d] = [0; 4].map(|_| now(connections.admit()).unwrap());
        drop(a.begin_request());
        drop(b.begin_request());
        drop(a.begin_request());
        let order: Vec<_> = (0..3)
            .map(|_| {
                assert!(now(connections.admit()).is_none());
                evicted(&[&a, &b, &c, &d])
            })
            .collect();
        assert_eq!(
            order,
            [[false, false, true, false], [false, false, true, true], [false, true, true, true]],
            "c and d had no request, b had one before a"
        );
        drop(c);
        assert!(now(connections.admit()).is_some());
    }

    #[tokio::test]
    async fn a_connection_with_a_request_in_flight_is_not_evicted() {
        let connections = Connections::new(2);
        let [a, b] = [0; 2].map(|_| now(connections.admit()).unwrap());
        let (one, two, other) = (a.begin_request(), a.begin_request(), b.begin_request());
        let mut waiting = Box::pin(connections.admit());
        assert!(now(waiting.as_mut()).is_none());
        drop(one);
        assert_eq!(evicted(&[&a, &b]), [false, false]);
        drop(two);
        assert_eq!(evicted(&[&a, &b]), [true, false]);
        drop(other);
        assert_eq!(evicted(&[&a, &b]), [true, false], "one is enough");
        drop(a);
        waiting.await;
    }
}
