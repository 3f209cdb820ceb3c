//! What waits and what is under way, brought up to date when metrics are asked for.
//!
//! What waits is counted beside the requests: of millions it takes seconds, for which nobody has to wait, and which
//! nobody can make the store spend again and again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::delivery::scheduler::Scheduler;
use crate::storage::{DeliveryReader, Result};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::ClientGauges;

/// How old figures of the queue may be at least. Counting goes through an index of all that waits.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// Counting takes a tenth of the time at the most.
const SHARE: u32 = 10;

/// How long a request for metrics waits for new figures; it is answered with the old ones then.
const PATIENCE: Duration = Duration::from_secs(1);

/// Brings the gauges up to date. Clones share it.
#[derive(Clone, Debug)]
pub struct Gauges {
    scheduler: Arc<Scheduler>,
    counted: Arc<Mutex<Option<Counted>>>,
}

/// The last count.
#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Timestamp,
    took: Duration,
}

impl Gauges {
    pub(super) fn new(scheduler: Arc<Scheduler>) -> Self {
        Self { scheduler, counted: Arc::default() }
    }

    /// Brings them up to date, or has that done.
    pub async fn refresh(
        &self,
        metrics: &Arc<Metrics>,
        reader: &Arc<dyn DeliveryReader>,
        now: Timestamp,
    ) -> Result<()> {
        metrics.set_in_flight(self.scheduler.in_flight());
        let breakers = self.scheduler.breakers();
        let states = breakers.iter().map(|(id, breaker)| (id.as_str(), breaker.state(now)));
        metrics.set_breakers(states.filter(|(_, state)| *state != "closed"));

        // A count that is under way is waited for by those who come meanwhile; none needs another.
        let Ok(counted) = timeout(PATIENCE, Arc::clone(&self.counted).lock_owned()).await else {
            return Ok(());
        };
        let fresh =
            |last: Counted| now.duration_since(last.at).unsigned_abs() < FRESH_FOR.max(last.took * SHARE);
        if counted.is_some_and(fresh) {
            return Ok(());
        }
        let (metrics, reader) = (Arc::clone(metrics), Arc::clone(reader));
        let counting = tokio::spawn(async move {
            let mut counted = counted;
            let began = Instant::now();
            metrics.set_queues(&queues(&*reader, now).await?);
            *counted = Some(Counted { at: now, took: began.elapsed() });
            Ok(())
        });
        // It goes on when nobody waits for it.
        match timeout(PATIENCE, counting).await {
            Ok(Ok(outcome)) => outcome,
            // It panicked, which was printed, or it takes longer.
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }
}

async fn queues(reader: &dyn DeliveryReader, now: Timestamp) -> Result<Vec<ClientGauges>> {
    let depths = reader.depths().await?;
    let queues = depths.into_iter().map(|depth| ClientGauges {
        client_id: depth.client_id.to_string(),
        pending: depth.pending,
        overdue_seconds: now.duration_since(depth.due_at).as_secs().max(0),
    });
    Ok(queues.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use tokio::time::sleep;

    use super::*;
    use crate::delivery::scheduler::Limits;
    use crate::domain::breaker::{BreakerRules, OpenBreaker};
    use crate::domain::delivery::{Delivery, DeliveryFilter, DeliverySummary};
    use crate::domain::ids::{ClientId, DeliveryId, Sid};
    use crate::storage::{AttemptRecord, DeliveryPage, QueueDepth};

    const COUNTING: Duration = Duration::from_mins(1);

    const LIMITS: Limits = Limits {
        total: 1,
        per_client: 1,
        seats: 1,
        breaker: BreakerRules { failures: 1, pause: COUNTING, max_pause: COUNTING },
    };

    /// Takes a minute to count.
    #[derive(Default)]
    struct Reader(AtomicUsize);

    #[async_trait]
    impl DeliveryReader for Reader {
        async fn depths(&self) -> Result<Vec<QueueDepth>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            sleep(COUNTING).await;
            let client_id = "shop".parse().unwrap();
            Ok(vec![QueueDepth { client_id, pending: 7, due_at: Timestamp::UNIX_EPOCH }])
        }

        async fn summaries(&self, _: &[DeliveryId]) -> Result<Vec<DeliverySummary>> {
            unreachable!("nobody asks for any")
        }

        async fn delivery(&self, _: DeliveryId) -> Result<Option<Delivery>> {
            unreachable!("nobody asks for any")
        }

        async fn attempts(&self, _: DeliveryId) -> Result<Vec<AttemptRecord>> {
            unreachable!("nobody asks for any")
        }

        async fn deliveries(
            &self,
            _: &DeliveryFilter,
            _: Option<&Sid>,
            _: Option<DeliveryId>,
            _: u32,
        ) -> Result<DeliveryPage> {
            unreachable!("nobody lists any")
        }

        async fn open_breakers(&self) -> Result<Vec<(ClientId, OpenBreaker)>> {
            unreachable!("nobody asks for any")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_count_that_takes_long_is_made_seldom_and_waited_for_by_nobody() {
        let reader = Arc::new(Reader::default());
        let gauges = Gauges::new(Scheduler::new(LIMITS));
        let metrics = Arc::new(Metrics::new());
        let began = Instant::now();
        let refresh = async |seconds: i64| {
            let now = Timestamp::from_second(seconds).unwrap();
            gauges.refresh(&metrics, &(Arc::clone(&reader) as Arc<dyn DeliveryReader>), now).await.unwrap();
            (reader.0.load(Ordering::Relaxed), metrics.encode().contains("queue_depth{client_id=\"shop\"} 7"))
        };
        for second in 0..10 {
            assert_eq!(refresh(second).await, (1, false));
        }
        assert_eq!(began.elapsed(), 10 * PATIENCE);
        sleep(COUNTING).await;
        for second in [61, 300, 599] {
            assert_eq!(refresh(second).await, (1, true));
        }
        assert_eq!(refresh(600).await, (2, true), "the old figures are shown meanwhile");
    }
}
