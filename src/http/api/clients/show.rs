//! `GET /api/v2/clients/{id}`.

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::fields::Fields;
use super::schema;
use crate::domain::ids::ClientId;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::{ApiPath, Query};
use crate::registry::ClientRegistry;

/// Reads a client.
#[utoipa::path(
    get,
    path = "/api/v2/clients/{id}",
    tag = "clients",
    operation_id = "getClient",
    params(("id" = ClientId, Path, description = "The client."), schema::FieldNames),
    responses(
        (status = 200, description = "The client.", body = schema::ClientFields),
        (status = 404, description = "`inexistent_client`: there is none.", body = Error),
    )
)]
pub(super) async fn show(
    State(registry): State<ClientRegistry>,
    ApiPath(client_id): ApiPath<ClientId>,
    mut query: Query,
) -> Result<Json<Value>, ApiError> {
    let fields = Fields::of(&mut query)?;
    query.finish()?;
    let record = registry.client(&client_id).await?.ok_or_else(ApiError::inexistent_client)?;
    Ok(Json(fields.of_client(record)))
}
