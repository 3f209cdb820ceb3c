//! Waits for the outcome of deliveries.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::{Api, text};
use crate::domain::delivery::State;

/// How often deliveries that are not final are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    /// Wait for the outcome of the deliveries, at most this many seconds, and fail if one is not delivered
    /// by then
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..))]
    wait: Option<u16>,
}

impl WaitArgs {
    /// Updates the states of the deliveries until all are final or the time is up. Returns whether all are delivered;
    /// without `--wait` always true.
    pub(super) async fn watch(&self, api: &Api, deliveries: &mut [Value]) -> anyhow::Result<bool> {
        let Some(seconds) = self.wait else { return Ok(true) };
        let limit = Duration::from_secs(seconds.into());
        if let Ok(outcome) = tokio::time::timeout(limit, until_final(api, deliveries)).await {
            outcome?;
        }
        Ok(deliveries.iter().all(|delivery| state(delivery) == Some(State::Delivered)))
    }
}

async fn until_final(api: &Api, deliveries: &mut [Value]) -> anyhow::Result<()> {
    loop {
        let mut open = false;
        for delivery in deliveries.iter_mut().filter(|delivery| is_open(delivery)) {
            let path = format!("/api/v2/deliveries/{}", text(delivery, "id"));
            let now = api.get(&path, &[]).await?;
            delivery["state"] = now["state"].clone();
            open |= is_open(delivery);
        }
        if !open {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn is_open(delivery: &Value) -> bool {
    !state(delivery).is_some_and(State::is_final)
}

fn state(delivery: &Value) -> Option<State> {
    text(delivery, "state").parse().ok()
}
