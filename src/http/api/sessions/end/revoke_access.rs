//! `POST /api/v2/users/{id}/revoke-access`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Ended, end};
use crate::domain::event::Target;
use crate::domain::ids::{Sid, Sub};
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::{ApiPath, IfMatch, OptionalApiJson};
use crate::intake::Intake;
use crate::storage::SessionReader;

/// What is to be revoked. Without `session_id` it is every session of the user.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = RevokeAccess)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    /// Only this session, which must be the user's.
    session_id: Option<Sid>,
    /// Auth0's. logoutd knows of no refresh tokens: both values come to the same.
    #[serde(rename = "preserve_refresh_tokens")]
    _preserve_refresh_tokens: Option<bool>,
}

/// Ends every session of a user, or one of them.
///
/// As `DELETE /api/v2/users/{id}/sessions` does; a user without sessions is logged out.
#[utoipa::path(
    post,
    path = "/api/v2/users/{id}/revoke-access",
    tag = "sessions",
    operation_id = "revokeUserAccess",
    params(("id" = Sub, Path, description = "The user's `sub`.")),
    request_body(content = Option<Revocation>, example = json!({"session_id": "s-1"})),
    responses(
        (status = 202, description = "They have ended; logout tokens are being delivered.", body = Ended),
        (status = 400, description = "`invalid_uri`: it cannot be a `sub`. `invalid_body`.", body = Error),
        (status = 404, description = "`inexistent_session`: `session_id` is no session of this user.", body = Error),
    )
)]
pub(super) async fn revoke_access(
    State(intake): State<Intake>,
    State(sessions): State<Arc<dyn SessionReader>>,
    ApiPath(sub): ApiPath<Sub>,
    OptionalApiJson(revocation): OptionalApiJson<Revocation>,
) -> Result<(StatusCode, Json<Ended>), ApiError> {
    let Revocation { session_id, _preserve_refresh_tokens: _ } = revocation;
    let Some(sid) = session_id else { return end(&intake, Target::Subject(sub), &IfMatch::Absent).await };
    // A session of another user is answered as one that does not exist.
    let session = sessions.session(&sid).await?.ok_or_else(ApiError::inexistent_session)?;
    if session.sub.as_ref() != Some(&sub) {
        return Err(ApiError::inexistent_session());
    }
    end(&intake, Target::Session { sid, sub: Some(sub) }, &IfMatch::Absent).await
}
