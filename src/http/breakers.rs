//! `GET /api/v2/breakers`: the clients whose deliveries wait, since their relying parties keep failing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;

use super::error::ApiError;
use super::state::HttpState;
use crate::domain::breaker::Breaker;
use crate::domain::ids::ClientId;

#[derive(Serialize)]
pub(super) struct Breakers {
    breakers: Vec<BreakerView>,
}

#[derive(Serialize)]
struct BreakerView {
    client_id: ClientId,
    /// `open`, or `half_open` when the next attempt is a probe.
    state: &'static str,
    since: Timestamp,
    until: Timestamp,
    failed_probes: u32,
}

pub(super) async fn list(State(state): State<Arc<HttpState>>) -> Result<Json<Breakers>, ApiError> {
    let now = state.clock.now();
    let view = |(client_id, open)| {
        let state = Breaker::Open(open).state(now);
        BreakerView { client_id, state, since: open.since, until: open.until, failed_probes: open.probes }
    };
    let breakers = state.deliveries.open_breakers().await?.into_iter().map(view).collect();
    Ok(Json(Breakers { breakers }))
}
