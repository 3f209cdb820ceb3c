//! What ends sessions with `session-revoked`: `DELETE /api/v2/sessions/{id}`, `POST …/revoke`, and
//! `DELETE /api/v2/users/{id}/sessions` for all of a user's.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::super::error::ApiError;
use super::super::state::HttpState;
use super::{sid, sub};
use crate::domain::delivery::DeliverySummary;
use crate::domain::event::Target;
use crate::domain::ids::Sid;
use crate::domain::plan::{Command, CommandRefusal, Refusal};
use crate::intake::{CarriedOut, CommandError};

/// What ended, and who is told. Auth0 answers with an empty object, and its SDKs do not look.
#[derive(Default, Serialize)]
pub(in crate::http) struct Ended {
    sessions: Vec<Sid>,
    deliveries: Vec<DeliverySummary>,
}

pub(in crate::http) async fn delete(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
) -> Result<(StatusCode, Json<Ended>), ApiError> {
    end(&state, Target::Session { sid: sid(&text)?, sub: None }).await
}

/// The same: at Auth0 it ends refresh tokens too, of which logoutd knows nothing.
pub(in crate::http) async fn revoke(
    state: State<Arc<HttpState>>,
    path: Path<String>,
) -> Result<(StatusCode, Json<Ended>), ApiError> {
    delete(state, path).await
}

pub(in crate::http) async fn delete_all(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
) -> Result<(StatusCode, Json<Ended>), ApiError> {
    end(&state, Target::Subject(sub(&text)?)).await
}

async fn end(state: &HttpState, target: Target) -> Result<(StatusCode, Json<Ended>), ApiError> {
    let ended = match state.intake.carry_out(Command::Revoke(target)).await {
        Ok(CarriedOut { sessions, deliveries }) => Ended { sessions, deliveries },
        // Who has no sessions is logged out: logoutd knows users by their sessions only.
        Err(CommandError::Refused(CommandRefusal::Plan(Refusal::UnknownSubject))) => Ended::default(),
        Err(error) => return Err(error.into()),
    };
    Ok((StatusCode::ACCEPTED, Json(ended)))
}
