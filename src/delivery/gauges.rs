//! What waits and what is under way, brought up to date when metrics are asked for.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::window::Window;
use crate::storage::{DeliveryReader, Result};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::ClientGauges;

/// How old figures of the queue may be. Counting goes through an index of all that waits.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// Brings the gauges up to date. Clones share it.
#[derive(Clone, Debug)]
pub struct Gauges {
    window: Arc<Window>,
    counted_at: Arc<Mutex<Option<Timestamp>>>,
}

impl Gauges {
    pub(super) fn new(window: Arc<Window>) -> Self {
        Self { window, counted_at: Arc::default() }
    }

    /// Brings them up to date.
    pub async fn refresh(
        &self,
        metrics: &Metrics,
        reader: &dyn DeliveryReader,
        now: Timestamp,
    ) -> Result<()> {
        metrics.set_in_flight(self.window.in_flight());
        let breakers = self.window.breakers();
        let states = breakers.iter().map(|(id, breaker)| (id.as_str(), breaker.state(now)));
        metrics.set_breakers(states.filter(|(_, state)| *state != "closed"));

        // Held while counting, so that collectors that come together share it.
        let mut counted_at = self.counted_at.lock().await;
        let fresh = |at: Timestamp| now.duration_since(at).unsigned_abs() < FRESH_FOR;
        if counted_at.is_some_and(fresh) {
            return Ok(());
        }
        let depths = reader.depths().await?;
        let queues: Vec<_> = depths
            .into_iter()
            .map(|depth| ClientGauges {
                client_id: depth.client_id.to_string(),
                pending: depth.pending,
                overdue_seconds: now.duration_since(depth.due_at).as_secs().max(0),
            })
            .collect();
        metrics.set_queues(&queues);
        *counted_at = Some(now);
        Ok(())
    }
}
