//! Ends sessions with the initiator `session-revoked`: `DELETE /api/v2/sessions/{id}`, `POST …/revoke`, and
//! `DELETE /api/v2/users/{id}/sessions` and `POST /api/v2/users/{id}/revoke-access` for all of a user's.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::delivery::DeliverySummary;
use crate::domain::event::Target;
use crate::domain::ids::{ClientId, Sid, Sub};
use crate::domain::plan::{Command, CommandRefusal};
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::{ApiPath, IfMatch, OptionalApiJson};
use crate::http::schema as doc;
use crate::intake::{CommandError, CommandOutcome, Intake};
use crate::storage::SessionReader;

/// The sessions that ended, and the deliveries that follow. Auth0 answers with an empty object, which its SDKs ignore.
#[derive(Serialize, ToSchema)]
#[schema(as = EndedSessions)]
pub(super) struct Ended {
    /// The sessions that ended.
    sessions: Vec<Sid>,
    /// The logout tokens that are to be delivered since.
    #[schema(value_type = Vec<doc::DeliverySummary>)]
    deliveries: Vec<DeliverySummary>,
    /// Clients that get no logout token, because it needs an identifier that is not known for the user; left out if there
    /// are none.
    #[schema(value_type = Vec<ClientId>, required = false)]
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    untold: BTreeSet<ClientId>,
    /// `false` if more sessions of the user end and more deliveries follow: there are so many that they are not all
    /// known yet. Else left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    complete: Option<bool>,
}

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

async fn end(
    intake: &Intake,
    target: Target,
    if_match: &IfMatch,
) -> Result<(StatusCode, Json<Ended>), ApiError> {
    let command = Command::Revoke { target, precondition: if_match.precondition() };
    let CommandOutcome { sessions, deliveries, unreachable, is_complete, .. } =
        match intake.execute(command).await {
            Err(CommandError::Refused(CommandRefusal::Revision)) => return Err(if_match.mismatch()),
            outcome => outcome?,
        };
    let complete = (!is_complete).then_some(false);
    Ok((StatusCode::ACCEPTED, Json(Ended { sessions, deliveries, untold: unreachable, complete })))
}
