//! What keeps the queue right when nothing happens: leases of attempts under way are extended, those of
//! workers that went away are taken back, what is too old or has nobody left to tell is ended, and a clock that was set back is
//! noticed. It is also the safety net for what another process stored.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::causes::Causes;
use crate::clock::Clock;
use crate::delivery::runner::LEASE;
use crate::delivery::scheduler::Scheduler;
use crate::delivery::waiting::Waiting;
use crate::storage::{DeliveryQueue, Result};
use crate::telemetry::Metrics;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);

/// How often it looks through all queues.
const LOOK_THROUGH_EVERY: Duration = Duration::from_secs(5);

/// Leases are extended when less than this is left of them: then a store that fails for a few seconds
/// costs no lease.
const EXTEND_BEFORE: Duration = LEASE.saturating_sub(Duration::from_secs(4));

/// How far the clock must have been set back to count. Small corrections happen all the time.
const SET_BACK: Duration = Duration::from_secs(1);

/// The most deliveries that are ended for their age in one transaction.
const EXPIRE_BATCH: u32 = 500;

pub(super) struct Maintenance {
    queue: Arc<dyn DeliveryQueue>,
    clock: Arc<dyn Clock>,
    scheduler: Arc<Scheduler>,
    waiting: Waiting,
    metrics: Arc<Metrics>,
}

/// The two clocks at one instant: the one that can be set, and the one that cannot.
#[derive(Clone, Copy)]
struct Clocks {
    wall: Timestamp,
    steady: Instant,
}

impl Clocks {
    /// How far the wall clock was set back since `earlier`.
    fn set_back_since(self, earlier: Self) -> Duration {
        let steady = self.steady.duration_since(earlier.steady);
        let expected = earlier.wall.saturating_add(steady).expect("a std Duration has no calendar units");
        expected.duration_since(self.wall).try_into().unwrap_or(Duration::ZERO)
    }
}

impl Maintenance {
    pub(super) fn new(
        queue: Arc<dyn DeliveryQueue>,
        clock: Arc<dyn Clock>,
        scheduler: Arc<Scheduler>,
        waiting: Waiting,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { queue, clock, scheduler, waiting, metrics }
    }

    /// Runs for as long as it is polled.
    pub(super) async fn run(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut before = self.clocks();
        let mut looked_through: Option<Instant> = None;
        loop {
            ticks.tick().await;
            let clocks = self.clocks();
            let look_through = looked_through.is_none_or(|at| at.elapsed() >= LOOK_THROUGH_EVERY);
            match self.look(before, clocks, look_through).await {
                Ok(()) => {
                    before = clocks;
                    if look_through {
                        looked_through = Some(clocks.steady);
                    }
                }
                Err(error) => {
                    tracing::error!(error = %Causes(&error), "the queue cannot be kept up");
                }
            }
        }
    }

    fn clocks(&self) -> Clocks {
        Clocks { wall: self.clock.now(), steady: Instant::now() }
    }

    async fn look(&self, before: Clocks, clocks: Clocks, look_through: bool) -> Result<()> {
        let now = clocks.wall;
        let set_back = clocks.set_back_since(before);
        if set_back > SET_BACK {
            tracing::warn!(seconds = set_back.as_secs(), "the clock was set back, bringing retries forward");
            self.scheduler.bring_forward(set_back, now);
            self.queue.bring_forward(set_back, now).await?;
        }
        // Before any are taken back: after a leap forward our own would look as if they had run out.
        self.extend(now).await?;
        let reclaimed = self.queue.reclaim(now).await?;
        if reclaimed > 0 {
            tracing::warn!(reclaimed, "leases of a worker that went away ran out, trying again");
        }
        self.expire(now).await?;
        if look_through {
            self.queue.discard_left(now).await?;
        }
        if look_through || set_back > SET_BACK {
            for queue in self.queue.queues().await? {
                if let Some(due_at) = queue.due_at {
                    self.scheduler.note_due(&queue.client_id, due_at);
                }
            }
            self.scheduler.wake();
        }
        Ok(())
    }

    async fn extend(&self, now: Timestamp) -> Result<()> {
        let add = |time| now.saturating_add(time).expect("a std Duration has no calendar units");
        let ending = self.scheduler.ending_leases(add(EXTEND_BEFORE));
        if ending.is_empty() {
            return Ok(());
        }
        let until = add(LEASE);
        let held = self.queue.extend(&ending, until).await?;
        self.scheduler.extended(&held, until);
        self.scheduler.let_go(ending.into_iter().filter(|(id, _)| !held.contains(id)));
        Ok(())
    }

    /// Deliveries whose time ran out while they waited, behind a breaker or a client that is disabled.
    async fn expire(&self, now: Timestamp) -> Result<()> {
        loop {
            let expired = self.queue.expire(now, EXPIRE_BATCH).await?;
            for (delivery, client_id, state) in &expired {
                tracing::error!(
                    %delivery, client_id = client_id.as_str(), state = state.as_str(),
                    "logout token not delivered, its time ran out while it waited"
                );
                self.metrics.delivery_ended(client_id.as_str(), state.as_str());
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
    fn only_a_clock_that_fell_behind_the_steady_one_was_set_back() {
        let steady = Instant::now();
        let at = |wall: i64, passed: u64| Clocks {
            wall: Timestamp::from_second(wall).unwrap(),
            steady: steady + Duration::from_secs(passed),
        };
        for (wall, passed, expected) in
            [(1010, 10, 0), (1005, 10, 5), (1015, 10, 0), (400, 10, 610), (1000, 3600, 3600)]
        {
            let set_back = at(wall, passed).set_back_since(at(1000, 0));
            assert_eq!(set_back, Duration::from_secs(expected), "{wall}");
        }
    }
}
