//! `GET /api/v2/sessions/{id}`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::view;
use super::view::SessionView;
use crate::domain::ids::Sid;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::ApiPath;
use crate::storage::SessionReader;

/// Reads a session.
#[utoipa::path(
    get,
    path = "/api/v2/sessions/{id}",
    tag = "sessions",
    operation_id = "getSession",
    params(("id" = Sid, Path, description = "The session.")),
    responses(
        (status = 200, description = "The session.", body = SessionView,
            headers(("ETag" = String, description = "Its revision, for `If-Match`."))),
        (status = 404, description = "`inexistent_session`: there is none, or it has ended.", body = Error),
    )
)]
pub(super) async fn show(
    State(sessions): State<Arc<dyn SessionReader>>,
    ApiPath(sid): ApiPath<Sid>,
) -> Result<Response, ApiError> {
    let session = sessions.session(&sid).await?;
    let live = session.filter(|session| session.ended.is_none()).ok_or_else(ApiError::inexistent_session)?;
    Ok(view::answer(live))
}
