//! `POST /api/v2/clients`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::change::{ClientBody, ClientChange};
use super::schema;
use super::view::ClientView;
use crate::http::audit::Note;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::ApiJson;
use crate::registry::ClientRegistry;

/// Registers a client.
#[utoipa::path(
    post,
    path = "/api/v2/clients",
    tag = "clients",
    operation_id = "createClient",
    request_body(content = schema::Registration, example = json!({
        "client_id": "shop",
        "client_name": "Shop",
        "backchannel_logout_uri": "https://shop.example.com/backchannel-logout",
        "initiators": "all",
        "session_metadata": ["org_id"]
    })),
    responses(
        (status = 201, description = "The client.", body = schema::Client),
        (status = 409, description = "`client_exists`: this `client_id` is taken.", body = Error),
    )
)]
pub(super) async fn create(
    State(registry): State<ClientRegistry>,
    ApiJson(body): ApiJson<ClientBody>,
) -> Result<(StatusCode, Extension<Note>, Json<ClientView>), ApiError> {
    let change = ClientChange::try_from(body)?;
    let mut record = registry.blank(change.client_id.clone());
    change.apply(&mut record)?;
    let record = registry.create(record.client).await?;
    let note = Note { client_id: Some(record.client.client_id.clone()), ..Note::default() };
    Ok((StatusCode::CREATED, Extension(note), Json(record.into())))
}
