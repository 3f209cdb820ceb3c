//! `POST /api/v2/deliveries/{id}/redeliver`: one delivery back into the queue, due at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::super::error::ApiError;
use super::super::state::HttpState;
use super::id;
use super::view::DeliveryView;

pub(in crate::http) async fn redeliver(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
) -> Result<(StatusCode, Json<DeliveryView>), ApiError> {
    let id = id(&text)?;
    let inexistent = || ApiError::inexistent("delivery");
    state.redelivery.one(id).await?.ok_or_else(inexistent)??;
    let delivery = state.deliveries.delivery(id).await?.ok_or_else(inexistent)?;
    Ok((StatusCode::ACCEPTED, Json(delivery.into())))
}
