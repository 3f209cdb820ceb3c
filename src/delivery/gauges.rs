//! Gauges of the queue, updated when metrics are scraped.
//!
//! Counting millions of pending deliveries takes seconds. So it runs in a task of its own, for which no scrape waits
//! long, and which frequent scrapes do not make run more often.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::delivery::scheduler::Scheduler;
use crate::storage::{DeliveryReader, Result};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::ClientGauges;

/// The shortest time between two counts. Each reads an index of everything that is pending.
const MIN_INTERVAL: Duration = Duration::from_secs(5);

/// The time between two counts in durations of the last one: counting takes a tenth of the time at most.
const INTERVAL_PER_DURATION: u32 = 10;

/// How long a scrape waits for a count; then it has the previous figures.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(1);

/// Updates the gauges. Clones share it.
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

    /// Updates the gauges, or begins to.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn refresh(
        &self,
        metrics: &Arc<Metrics>,
        reader: &Arc<dyn DeliveryReader>,
        now: Timestamp,
    ) -> Result<()> {
        metrics.delivery.set_in_flight(self.scheduler.in_flight());
        let breakers = self.scheduler.breakers();
        let states = breakers.iter().map(|(id, breaker)| (id.as_str(), breaker.state(now)));
        metrics.delivery.set_breakers(states.filter(|(_, state)| *state != "closed"));

        // While a count is running, further scrapes wait for that one.
        let Ok(counted) = timeout(SCRAPE_TIMEOUT, Arc::clone(&self.counted).lock_owned()).await else {
            return Ok(());
        };
        let fresh = |last: Counted| {
            now.duration_since(last.at).unsigned_abs() < MIN_INTERVAL.max(last.took * INTERVAL_PER_DURATION)
        };
        if counted.is_some_and(fresh) {
            return Ok(());
        }
        let (metrics, reader) = (Arc::clone(metrics), Arc::clone(reader));
        let counting = tokio::spawn(async move {
            let mut counted = counted;
            let began = Instant::now();
            metrics.delivery.set_queues(&queues(&*reader, now).await?);
            *counted = Some(Counted { at: now, took: began.elapsed() });
            Ok(())
        });
        // It runs to its end, also when no scrape waits for it any more.
        match timeout(SCRAPE_TIMEOUT, counting).await {
            Ok(Ok(outcome)) => outcome,
            // It panicked, or it takes longer.
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
        buffer: 1,
        breaker: BreakerRules { failures: 1, pause: COUNTING, max_pause: COUNTING },
    };

    /// A reader whose count takes a minute.
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
            unreachable!("gauges only count")
        }

        async fn delivery(&self, _: DeliveryId) -> Result<Option<Delivery>> {
            unreachable!("gauges only count")
        }

        async fn attempts(&self, _: DeliveryId) -> Result<Vec<AttemptRecord>> {
            unreachable!("gauges only count")
        }

        async fn deliveries(
            &self,
            _: &DeliveryFilter,
            _: Option<&Sid>,
            _: Option<DeliveryId>,
            _: u32,
        ) -> Result<DeliveryPage> {
            unreachable!("gauges only count")
        }

        async fn open_breakers(&self) -> Result<Vec<(ClientId, OpenBreaker)>> {
            unreachable!("gauges only count")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_count_runs_seldom_and_delays_no_scrape() {
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
        assert_eq!(began.elapsed(), 10 * SCRAPE_TIMEOUT);
        sleep(COUNTING).await;
        for second in [61, 300, 599] {
            assert_eq!(refresh(second).await, (1, true));
        }
        assert_eq!(refresh(600).await, (2, true), "until the count is done there are the previous figures");
    }
}
