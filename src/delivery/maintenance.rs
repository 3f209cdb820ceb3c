//! Periodic maintenance of the queue: extends the leases of attempts in flight, reclaims expired ones, ends deliveries
//! that are too old or whose client is gone, and corrects due times after the clock was set back.
//!
//! It also reads what is due from the store now and then, which finds what other processes have stored.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::delivery::listener::note_queues;
use crate::delivery::runner::LEASE;
use crate::delivery::scheduler::Scheduler;
use crate::delivery::waiting::Waiting;
use crate::storage::{DeliveryQueue, Result};

/// How often maintenance runs.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often it reads the queues of all clients.
const SCAN_INTERVAL: Duration = Duration::from_secs(5);

/// Leases are extended when less than this is left of them. No lease is lost when the store fails for a few seconds.
const EXTEND_BEFORE: Duration = LEASE.saturating_sub(Duration::from_secs(4));

/// Smaller corrections of the clock are ignored.
const MIN_SET_BACK: Duration = Duration::from_secs(1);

/// The most deliveries that are ended in one transaction because of their age.
const EXPIRE_BATCH: u32 = 500;

pub(super) struct Maintenance {
    queue: Arc<dyn DeliveryQueue>,
    ambient: Ambient,
    scheduler: Arc<Scheduler>,
    waiting: Waiting,
}

/// The wall clock and the monotonic clock at one instant.
#[derive(Clone, Copy)]
struct Clocks {
    wall: Timestamp,
    monotonic: Instant,
}

impl Clocks {
    /// How far the wall clock was set back since `earlier`.
    fn set_back_since(self, earlier: Self) -> Duration {
        let monotonic = self.monotonic.duration_since(earlier.monotonic);
        let expected = earlier.wall.saturating_add(monotonic).expect("a std Duration has no calendar units");
        expected.duration_since(self.wall).try_into().unwrap_or(Duration::ZERO)
    }
}

impl Maintenance {
    pub(super) fn new(
        queue: Arc<dyn DeliveryQueue>,
        ambient: Ambient,
        scheduler: Arc<Scheduler>,
        waiting: Waiting,
    ) -> Self {
        Self { queue, ambient, scheduler, waiting }
    }

    /// Runs until it is dropped.
    pub(super) async fn run(&self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut before = self.clocks();
        let mut last_scan: Option<Instant> = None;
        loop {
            ticks.tick().await;
            let clocks = self.clocks();
            let scan = last_scan.is_none_or(|at| at.elapsed() >= SCAN_INTERVAL);
            match self.maintain(before, clocks, scan).await {
                Ok(()) => {
                    before = clocks;
                    if scan {
                        last_scan = Some(clocks.monotonic);
                    }
                }
                Err(error) => {
                    tracing::error!(error = %Causes(&error), "queue maintenance failed");
                }
            }
        }
    }

    fn clocks(&self) -> Clocks {
        Clocks { wall: self.ambient.now(), monotonic: Instant::now() }
    }

    async fn maintain(&self, before: Clocks, clocks: Clocks, scan: bool) -> Result<()> {
        let now = clocks.wall;
        let set_back = clocks.set_back_since(before);
        if set_back > MIN_SET_BACK {
            tracing::warn!(seconds = set_back.as_secs(), "the clock was set back, bringing retries forward");
            self.scheduler.bring_forward(set_back, now);
            self.queue.bring_forward(set_back, now).await?;
        }
        // Before the reclaim: after the clock was set forward, this process's own leases seem to have expired.
        self.extend(now).await?;
        let reclaimed = self.queue.reclaim(now).await?;
        if reclaimed > 0 {
            tracing::warn!(reclaimed, "leases of another process expired, trying again");
        }
        self.expire(now).await?;
        if scan {
            self.queue.discard_left(now).await?;
        }
        if scan || set_back > MIN_SET_BACK {
            note_queues(&*self.queue, &self.scheduler).await?;
        }
        Ok(())
    }

    async fn extend(&self, now: Timestamp) -> Result<()> {
        let add = |time| now.saturating_add(time).expect("a std Duration has no calendar units");
        let ending = self.scheduler.leases_ending_before(add(EXTEND_BEFORE));
        if ending.is_empty() {
            return Ok(());
        }
        let until = add(LEASE);
        let held = self.queue.extend(&ending, until).await?;
        self.scheduler.leases_extended(&held, until);
        self.scheduler.leases_ended(ending.into_iter().filter(|(id, _)| !held.contains(id)));
        Ok(())
    }

    /// Ends deliveries whose time ran out while their client's breaker was open or the client was disabled.
    async fn expire(&self, now: Timestamp) -> Result<()> {
        loop {
            let expired = self.queue.expire(now, EXPIRE_BATCH).await?;
            for (delivery, client_id, state) in &expired {
                tracing::error!(
                    %delivery, client_id = client_id.as_str(), state = state.as_str(),
                    "logout token not delivered, its time ran out while it waited"
                );
                self.ambient.metrics.delivery.ended(client_id.as_str(), state.as_str());
                self.waiting.finished(*delivery);
            }
            if expired.len() < EXPIRE_BATCH as usize {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_was_set_back_if_it_fell_behind_the_monotonic_one() {
        let monotonic = Instant::now();
        let at = |wall: i64, passed: u64| Clocks {
            wall: Timestamp::from_second(wall).unwrap(),
            monotonic: monotonic + Duration::from_secs(passed),
        };
        for (wall, passed, expected) in
            [(1010, 10, 0), (1005, 10, 5), (1015, 10, 0), (400, 10, 610), (1000, 3600, 3600)]
        {
            let set_back = at(wall, passed).set_back_since(at(1000, 0));
            assert_eq!(set_back, Duration::from_secs(expected), "{wall}");
        }
    }
}
