//! `POST /api/v2/sessions/{id}/revoke`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Ended;
use super::delete::delete;
use crate::domain::ids::Sid;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::{ApiPath, IfMatch};
use crate::http::schema as doc;
use crate::intake::Intake;

/// Ends a session, as `DELETE` does.
///
/// At Auth0 it ends refresh tokens too, of which logoutd knows nothing.
#[utoipa::path(
    post,
    path = "/api/v2/sessions/{id}/revoke",
    tag = "sessions",
    operation_id = "revokeSession",
    params(
        ("id" = Sid, Path, description = "The session."),
        doc::IfMatch,
    ),
    responses(
        (status = 202, description = "It has ended; logout tokens are being delivered.", body = Ended),
        (status = 404, description = "`inexistent_session`: it was never reported.", body = Error),
        (status = 412, description = "`revision_mismatch`: the session has changed since its `ETag` was read.",
            body = Error),
    )
)]
pub(super) async fn revoke(
    intake: State<Intake>,
    sid: ApiPath<Sid>,
    if_match: IfMatch,
) -> Result<(StatusCode, Json<Ended>), ApiError> {
    delete(intake, sid, if_match).await
}
