//! Ends sessions whose idle or absolute lifetime has run out.
//!
//! It only finds candidates. Whether they have expired is decided in the transaction that ends them, which sees what else
//! happened to them.

use std::sync::Arc;
use std::time::Duration;

use super::{CommandError, Intake};
use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::domain::plan::Command;
use crate::shutdown::Shutdown;
use crate::storage::SessionReader;

/// How often the store is polled for expired sessions: one index lookup, however many sessions there are.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How many sessions are ended in one transaction: few enough that no request waits for long.
const BATCH: u32 = 200;

/// Ends expired sessions.
pub struct Expiry {
    sessions: Arc<dyn SessionReader>,
    intake: Intake,
    ambient: Ambient,
}

impl Expiry {
    /// Finds expired sessions in `sessions` and ends them through `intake`.
    pub fn new(sessions: Arc<dyn SessionReader>, intake: Intake, ambient: Ambient) -> Self {
        Self { sessions, intake, ambient }
    }

    /// Runs until the service drains.
    pub async fn run(self, shutdown: Shutdown) {
        let mut ticks = tokio::time::interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.draining() => return,
            }
            let mut more = true;
            while more && !shutdown.is_draining() {
                more = self.end_batch().await;
            }
        }
    }

    /// Ends a batch of expired sessions. Returns whether there may be more.
    async fn end_batch(&self) -> bool {
        let expired = match self.sessions.expired_sessions(self.ambient.now(), BATCH).await {
            Ok(expired) => expired,
            Err(error) => {
                tracing::error!(error = %Causes(&error), "expired sessions could not be read from the store");
                return false;
            }
        };
        if expired.is_empty() {
            return false;
        }
        let full = expired.len() == BATCH as usize;
        match self.intake.execute(Command::Expire(expired)).await {
            Ok(ended) => {
                let (sessions, deliveries) = (ended.sessions.len(), ended.deliveries.len());
                tracing::info!(sessions, deliveries, "expired sessions were ended");
                for client_id in &ended.unreachable {
                    tracing::error!(
                        client_id = client_id.as_str(),
                        "no logout token for ended sessions: the client's tokens need a sub, and none is known for it"
                    );
                }
                full || !ended.is_complete
            }
            // Requests of sources come first: the next poll tries again.
            Err(CommandError::Busy) => false,
            Err(error) => {
                tracing::error!(error = %Causes(&error), "expired sessions could not be ended");
                false
            }
        }
    }
}
