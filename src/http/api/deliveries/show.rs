//! `GET /api/v2/deliveries/{id}`: a delivery with its attempts.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::id;
use super::view::{AttemptView, DeliveryView, attempts};
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::path::Id;
use crate::http::schema as doc;
use crate::http::state::HttpState;

/// A delivery with its attempts, the oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryWithAttempts)]
pub(crate) struct Detail {
    #[serde(flatten)]
    delivery: DeliveryView,
    attempts: Vec<AttemptView>,
}

/// Reads a delivery with its attempts.
#[utoipa::path(
    get,
    path = "/api/v2/deliveries/{id}",
    tag = "deliveries",
    operation_id = "getDelivery",
    params(("id" = doc::Uuid, Path, description = "The delivery.")),
    responses(
        (status = 200, description = "The delivery.", body = Detail),
        (status = 404, description = "`inexistent_resource`: there is none, or it was swept.", body = Error),
    )
)]
pub(crate) async fn show(
    State(state): State<Arc<HttpState>>,
    Id(text): Id,
) -> Result<Json<Detail>, ApiError> {
    let id = id(&text)?;
    let delivery = state.deliveries.delivery(id).await?.ok_or_else(|| ApiError::inexistent("delivery"))?;
    let attempts = attempts(state.deliveries.attempts(id).await?);
    Ok(Json(Detail { delivery: delivery.into(), attempts }))
}
