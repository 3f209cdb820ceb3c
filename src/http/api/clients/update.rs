//! `PATCH /api/v2/clients/{id}`: changes what is given, and leaves the rest.

use axum::extract::State;
use axum::{Extension, Json};

use super::change::{ClientBody, ClientChange};
use super::schema;
use super::view::ClientView;
use crate::domain::ids::ClientId;
use crate::http::audit::Note;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::{ApiChange, ApiPath};
use crate::registry::ClientRegistry;

/// Changes a client.
///
/// What is left out stays as it is; `null` makes it the default. What changes nothing is no change: `updated_at` stays,
/// and a client of the configuration file takes it too.
#[utoipa::path(
    patch,
    path = "/api/v2/clients/{id}",
    tag = "clients",
    operation_id = "updateClient",
    params(("id" = ClientId, Path, description = "The client.")),
    request_body(content = schema::Change, example = json!({"initiators": ["rp-logout", "password-changed"]})),
    responses(
        (status = 200, description = "The client.", body = schema::Client),
        (status = 404, description = "`inexistent_client`: there is none.", body = Error),
        (status = 409, description = "`client_read_only`: it is kept in the configuration file, and the \
            body would change it. `client_contended`: \
            others change it at the same time.", body = Error),
    )
)]
pub(super) async fn update(
    State(registry): State<ClientRegistry>,
    ApiPath(client_id): ApiPath<ClientId>,
    ApiChange { change: body, members }: ApiChange<ClientBody>,
) -> Result<(Extension<Note>, Json<ClientView>), ApiError> {
    let change = ClientChange::try_from(body)?;
    if change.client_id.as_ref().is_some_and(|other| *other != client_id) {
        return Err(ApiError::invalid_body("client_id", "cannot be changed; register a new client"));
    }
    if change.is_empty() {
        return Err(ApiError::invalid_body("", "the body must have at least one member to change"));
    }
    let (record, changed) = registry.update(&client_id, |record| change.apply(record)).await?;
    let note = Note { changed: if changed { members } else { Vec::new() }, ..Note::default() };
    Ok((Extension(note), Json(record.into())))
}
