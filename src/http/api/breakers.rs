//! `GET /api/v2/breakers`: open circuit breakers. The deliveries of these clients wait, since their relying parties keep
//! failing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::clock::Clock;
use crate::domain::access::Scope;
use crate::domain::breaker::Breaker;
use crate::domain::ids::ClientId;
use crate::http::error::ApiError;
use crate::http::route::Route;
use crate::http::schema::{Shown, shown};
use crate::storage::DeliveryReader;

/// The route of this file.
pub(crate) fn routes() -> Vec<Route> {
    vec![Route::scoped(Scope::ReadDeliveries, routes!(list))]
}

/// Circuit breakers that are open.
#[derive(Serialize, ToSchema)]
struct Breakers {
    breakers: Vec<BreakerView>,
}

/// A client's circuit breaker.
#[derive(Serialize, ToSchema)]
#[schema(as = Breaker)]
struct BreakerView {
    client_id: ClientId,
    /// `open`, or `half_open` when the next attempt is a probe.
    #[schema(pattern = "^(open|half_open)$")]
    state: &'static str,
    /// When it opened.
    #[schema(value_type = String, format = DateTime)]
    since: Shown,
    /// When a probe may be made.
    #[schema(value_type = String, format = DateTime)]
    until: Shown,
    /// How many probes have failed since it opened.
    failed_probes: u32,
}

/// Lists the open circuit breakers.
///
/// The deliveries of these clients wait, since their relying parties keep failing.
#[utoipa::path(
    get,
    path = "/api/v2/breakers",
    tag = "deliveries",
    operation_id = "listBreakers",
    responses((status = 200, description = "Those that are open.", body = Breakers))
)]
async fn list(
    State(clock): State<Arc<dyn Clock>>,
    State(deliveries): State<Arc<dyn DeliveryReader>>,
) -> Result<Json<Breakers>, ApiError> {
    let now = clock.now();
    let view = |(client_id, open)| {
        let state = Breaker::Open(open).state(now);
        BreakerView {
            client_id,
            state,
            since: shown(open.since),
            until: shown(open.until),
            failed_probes: open.probes,
        }
    };
    let breakers = deliveries.open_breakers().await?.into_iter().map(view).collect();
    Ok(Json(Breakers { breakers }))
}
