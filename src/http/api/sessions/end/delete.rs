//! `DELETE /api/v2/sessions/{id}`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::{Ended, end};
use crate::domain::event::Target;
use crate::domain::ids::Sid;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::{ApiPath, IfMatch};
use crate::http::schema as doc;
use crate::intake::Intake;

/// Ends a session.
///
/// It ends with the initiator `session-revoked`. To end one that has ended is no error, and makes no further deliveries.
#[utoipa::path(
    delete,
    path = "/api/v2/sessions/{id}",
    tag = "sessions",
    operation_id = "deleteSession",
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
pub(super) async fn delete(
    State(intake): State<Intake>,
    ApiPath(sid): ApiPath<Sid>,
    if_match: IfMatch,
) -> Result<(StatusCode, Json<Ended>), ApiError> {
    end(&intake, Target::Session { sid, sub: None }, &if_match).await
}
