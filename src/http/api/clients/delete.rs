//! `DELETE /api/v2/clients/{id}`: removes a client and discards what waits for it. One that does not exist is
//! removed already, as at Auth0.

use axum::extract::State;
use axum::http::StatusCode;

use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::ApiPath;
use crate::registry::ClientRegistry;

/// Removes a client.
///
/// What waits for it is discarded. One that does not exist is removed already.
#[utoipa::path(
    delete,
    path = "/api/v2/clients/{id}",
    tag = "clients",
    operation_id = "deleteClient",
    params(("id" = String, Path, description = "The client.")),
    responses(
        (status = 204, description = "There is no such client any more."),
        (status = 409, description = "`client_read_only`: it is kept in the configuration file.", body = Error),
    )
)]
pub(super) async fn delete(
    State(registry): State<ClientRegistry>,
    ApiPath(text): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    if let Ok(client_id) = text.parse() {
        registry.delete(&client_id).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
