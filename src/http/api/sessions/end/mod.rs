//! Ends sessions with the initiator `session-revoked`: one of them, or all of a user's.

mod delete;
mod delete_all;
mod revoke;
mod revoke_access;

use std::collections::BTreeSet;

use axum::Json;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::domain::access::Scope::DeleteSessions;
use crate::domain::delivery::DeliverySummary;
use crate::domain::event::Target;
use crate::domain::ids::{ClientId, Sid};
use crate::domain::plan::{Command, CommandRefusal};
use crate::http::error::ApiError;
use crate::http::extract::IfMatch;
use crate::http::route::Route;
use crate::http::schema as doc;
use crate::intake::{CommandError, CommandOutcome, Intake};

/// The routes of this folder.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::scoped(DeleteSessions, routes!(delete::delete)).recorded("Delete a session"),
        Route::scoped(DeleteSessions, routes!(revoke::revoke)).recorded("Revoke a session"),
        Route::scoped(DeleteSessions, routes!(delete_all::delete_all))
            .recorded_without_ids("Delete a user's sessions"),
        Route::scoped(DeleteSessions, routes!(revoke_access::revoke_access))
            .recorded_without_ids("Revoke a user's access"),
    ]
}

/// The sessions that ended, and the deliveries that follow. Auth0 answers with an empty object, which its SDKs ignore.
#[derive(Serialize, ToSchema)]
#[schema(as = EndedSessions)]
struct Ended {
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
