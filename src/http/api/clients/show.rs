//! `GET /api/v2/clients/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde_json::Value;

use super::view::Fields;
use super::{client_id, schema};
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::path::Id;
use crate::http::extract::query::Query;
use crate::http::schema as doc;
use crate::http::state::HttpState;

/// Reads a client.
#[utoipa::path(
    get,
    path = "/api/v2/clients/{id}",
    tag = "clients",
    operation_id = "getClient",
    params(("id" = doc::ClientId, Path, description = "The client."), schema::FieldNames),
    responses(
        (status = 200, description = "The client.", body = schema::ClientFields),
        (status = 404, description = "`inexistent_client`: there is none.", body = Error),
    )
)]
pub(crate) async fn show(
    State(state): State<Arc<HttpState>>,
    Id(text): Id,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let client_id = client_id(&text)?;
    let mut query = Query::of(&uri)?;
    let fields = Fields::of(&mut query)?;
    query.finish()?;
    let record = state.clients.client(&client_id).await?.ok_or_else(ApiError::inexistent_client)?;
    Ok(Json(fields.of_client(record)))
}
