//! `POST /api/v2/deliveries/{id}/redeliver`: one delivery back into the queue, due at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::view::DeliveryView;
use crate::delivery::Redelivery;
use crate::domain::ids::DeliveryId;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::ApiPath;
use crate::http::schema as doc;
use crate::storage::DeliveryReader;

/// Puts a delivery back into the queue.
///
/// It is due at once. One that is pending is made due.
#[utoipa::path(
    post,
    path = "/api/v2/deliveries/{id}/redeliver",
    tag = "deliveries",
    operation_id = "redeliver",
    params(("id" = doc::Uuid, Path, description = "The delivery.")),
    responses(
        (status = 202, description = "The delivery.", body = DeliveryView),
        (status = 404, description = "`inexistent_resource`: there is none, or it was swept.", body = Error),
        (status = 409, description = "`delivery_in_flight`: an attempt is under way. `client_not_subscribed`: the \
            client has no logout URI, or its subscription has ended.", body = Error),
    )
)]
pub(super) async fn redeliver(
    State(redelivery): State<Redelivery>,
    State(deliveries): State<Arc<dyn DeliveryReader>>,
    ApiPath(id): ApiPath<DeliveryId>,
) -> Result<(StatusCode, Json<DeliveryView>), ApiError> {
    let inexistent = || ApiError::inexistent("delivery");
    redelivery.one(id).await?.ok_or_else(inexistent)??;
    let delivery = deliveries.delivery(id).await?.ok_or_else(inexistent)?;
    Ok((StatusCode::ACCEPTED, Json(delivery.into())))
}
