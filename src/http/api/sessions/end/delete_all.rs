//! `DELETE /api/v2/users/{id}/sessions`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::{Ended, end};
use crate::domain::event::Target;
use crate::domain::ids::Sub;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::{ApiPath, IfMatch};
use crate::intake::Intake;

/// Ends every session of a user.
///
/// A user without sessions is logged out: that is no error.
#[utoipa::path(
    delete,
    path = "/api/v2/users/{id}/sessions",
    tag = "sessions",
    operation_id = "deleteUserSessions",
    params(("id" = Sub, Path, description = "The user's `sub`.")),
    responses(
        (status = 202, description = "They have ended; logout tokens are being delivered.", body = Ended),
        (status = 400, description = "`invalid_uri`: it cannot be a `sub`.", body = Error),
    )
)]
pub(super) async fn delete_all(
    State(intake): State<Intake>,
    ApiPath(sub): ApiPath<Sub>,
) -> Result<(StatusCode, Json<Ended>), ApiError> {
    end(&intake, Target::Subject(sub), &IfMatch::Absent).await
}
