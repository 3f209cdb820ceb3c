//! `GET /api/v2/deliveries/{id}`: a delivery with its attempts.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{AttemptView, DeliveryView, attempts};
use crate::domain::ids::DeliveryId;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::ApiPath;
use crate::http::schema as doc;
use crate::storage::DeliveryReader;

/// A delivery with its attempts, the oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryWithAttempts)]
pub(super) struct Detail {
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
pub(super) async fn show(
    State(deliveries): State<Arc<dyn DeliveryReader>>,
    ApiPath(id): ApiPath<DeliveryId>,
) -> Result<Json<Detail>, ApiError> {
    let delivery = deliveries.delivery(id).await?.ok_or_else(|| ApiError::inexistent("delivery"))?;
    let attempts = attempts(deliveries.attempts(id).await?);
    Ok(Json(Detail { delivery: delivery.into(), attempts }))
}
