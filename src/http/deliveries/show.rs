//! `GET /api/v2/deliveries/{id}`: a delivery with its attempts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::super::error::ApiError;
use super::super::state::HttpState;
use super::id;
use super::view::{AttemptView, DeliveryView, attempts};

#[derive(Serialize)]
pub(in crate::http) struct Detail {
    #[serde(flatten)]
    delivery: DeliveryView,
    attempts: Vec<AttemptView>,
}

pub(in crate::http) async fn show(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
) -> Result<Json<Detail>, ApiError> {
    let id = id(&text)?;
    let delivery = state.deliveries.delivery(id).await?.ok_or_else(|| ApiError::inexistent("delivery"))?;
    let attempts = attempts(state.deliveries.attempts(id).await?);
    Ok(Json(Detail { delivery: delivery.into(), attempts }))
}
