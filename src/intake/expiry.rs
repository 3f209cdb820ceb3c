//! The clock as a source: sessions whose idle or absolute lifetime has run out are ended.
//!
//! It only says which may have expired; whether they have is decided where they are ended, in the one
//! transaction that sees what else happened to them.

use std::sync::Arc;
use std::time::Duration;

use super::{CommandError, Intake};
use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::domain::plan::Command;
use crate::shutdown::Shutdown;
use crate::storage::SessionReader;

/// How often expired sessions are looked for. It is one look into an index, however many sessions there are.
const EVERY: Duration = Duration::from_secs(1);

/// How many sessions are ended in one transaction: few enough that no event waits for long.
const BATCH: u32 = 200;

/// Ends sessions whose lifetimes run out.
pub struct Expiry {
    sessions: Arc<dyn SessionReader>,
    intake: Intake,
    ambient: Ambient,
}

impl Expiry {
    /// Looks into `sessions` and ends through `intake`.
    pub fn new(sessions: Arc<dyn SessionReader>, intake: Intake, ambient: Ambient) -> Self {
        Self { sessions, intake, ambient }
    }

    /// Ends sessions until draining is asked for.
    pub async fn run(self, shutdown: Shutdown) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.draining() => return,
            }
            let mut more = true;
            while more && !shutdown.is_draining() {
                more = self.end_some().await;
            }
        }
    }

    /// Ends a batch of those that have expired; whether there may be more.
    async fn end_some(&self) -> bool {
        let expired = match self.sessions.expired_sessions(self.ambient.now(), BATCH).await {
            Ok(expired) => expired,
            Err(error) => {
                tracing::error!(error = %Causes(&error), "expired sessions could not be looked for");
                return false;
            }
        };
        if expired.is_empty() {
            return false;
        }
        let full = expired.len() == BATCH as usize;
        match self.intake.carry_out(Command::Expire(expired)).await {
            Ok(ended) => {
                let (sessions, deliveries) = (ended.sessions.len(), ended.deliveries.len());
                tracing::info!(sessions, deliveries, "sessions ended: their lifetimes ran out");
                for client_id in &ended.untold {
                    tracing::error!(
                        client_id = client_id.as_str(),
                        "the client cannot be told that sessions ended: its tokens need a sub, and none is known for it"
                    );
                }
                full || !ended.is_complete
            }
            // Sources go first.
            Err(CommandError::Busy) => false,
            Err(error) => {
                tracing::error!(error = %Causes(&error), "expired sessions could not be ended");
                false
            }
        }
    }
}
