//! What ends sessions with `session-revoked`: `DELETE /api/v2/sessions/{id}`, `POST …/revoke`, and
//! `DELETE /api/v2/users/{id}/sessions` for all of a user's.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::error::{ApiError, Body as Error};
use super::super::openapi as doc;
use super::super::path::Id;
use super::super::state::HttpState;
use super::{sid, sub};
use crate::domain::delivery::DeliverySummary;
use crate::domain::event::Target;
use crate::domain::ids::{ClientId, Sid};
use crate::domain::plan::Command;
use crate::intake::CarriedOut;

/// What ended, and who is told. Auth0 answers with an empty object, and its SDKs do not look.
#[derive(Serialize, ToSchema)]
#[schema(as = EndedSessions)]
pub(in crate::http) struct Ended {
    /// The sessions that ended.
    #[schema(value_type = Vec<doc::Sid>)]
    sessions: Vec<Sid>,
    /// The logout tokens that are to be delivered since.
    #[schema(value_type = Vec<doc::DeliverySummary>)]
    deliveries: Vec<DeliverySummary>,
    /// Clients that cannot be told, because their tokens need an identifier that is not known for the user; left
    /// out if there are none.
    #[schema(value_type = Vec<doc::ClientId>, required = false)]
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
/// It ends with the initiator `session-revoked`. To end one that has ended is no error, and tells nobody twice.
#[utoipa::path(
    delete,
    path = "/api/v2/sessions/{id}",
    tag = "sessions",
    operation_id = "deleteSession",
    params(("id" = doc::Sid, Path, description = "The session.")),
    responses(
        (status = 202, description = "It has ended; its clients are being told.", body = Ended),
        (status = 404, description = "`inexistent_session`: it was never reported.", body = Error),
    )
)]
pub(in crate::http) async fn delete(
    State(state): State<Arc<HttpState>>,
    Id(text): Id,
) -> Result<(StatusCode, Json<Ended>), ApiError> {
    end(&state, Target::Session { sid: sid(&text)?, sub: None }).await
}

/// Ends a session, as `DELETE` does.
///
/// At Auth0 it ends refresh tokens too, of which logoutd knows nothing.
#[utoipa::path(
    post,
    path = "/api/v2/sessions/{id}/revoke",
    tag = "sessions",
    operation_id = "revokeSession",
    params(("id" = doc::Sid, Path, description = "The session.")),
    responses(
        (status = 202, description = "It has ended; its clients are being told.", body = Ended),
        (status = 404, description = "`inexistent_session`: it was never reported.", body = Error),
    )
)]
pub(in crate::http) async fn revoke(
    state: State<Arc<HttpState>>,
    path: Id,
) -> Result<(StatusCode, Json<Ended>), ApiError> {
    delete(state, path).await
}

/// Ends every session of a user.
///
/// A user without sessions is logged out: that is no error.
#[utoipa::path(
    delete,
    path = "/api/v2/users/{id}/sessions",
    tag = "sessions",
    operation_id = "deleteUserSessions",
    params(("id" = doc::Sub, Path, description = "The user's `sub`.")),
    responses(
        (status = 202, description = "They have ended; their clients are being told.", body = Ended),
        (status = 400, description = "`invalid_uri`: it cannot be a `sub`.", body = Error),
    )
)]
pub(in crate::http) async fn delete_all(
    State(state): State<Arc<HttpState>>,
    Id(text): Id,
) -> Result<(StatusCode, Json<Ended>), ApiError> {
    end(&state, Target::Subject(sub(&text)?)).await
}

async fn end(state: &HttpState, target: Target) -> Result<(StatusCode, Json<Ended>), ApiError> {
    let CarriedOut { sessions, deliveries, untold, is_complete, .. } =
        state.intake.carry_out(Command::Revoke(target)).await?;
    let complete = (!is_complete).then_some(false);
    Ok((StatusCode::ACCEPTED, Json(Ended { sessions, deliveries, untold, complete })))
}
