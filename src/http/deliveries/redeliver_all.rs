//! `POST /api/v2/deliveries/redeliver`: all that match back into the queue, as a job; and
//! `GET /api/v2/jobs/{id}`: how far it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::audit::Note;
use super::super::body::parse_json;
use super::super::error::ApiError;
use super::super::state::HttpState;
use crate::domain::delivery::{self, DeliveryFilter};
use crate::domain::ids::ClientId;
use crate::domain::initiator::Initiator;
use crate::domain::redelivery::{JobId, RedeliveryJob};

/// Which deliveries; what is left out does not restrict. Without `state`, what failed for good.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    client_id: Option<ClientId>,
    state: Option<States>,
    initiator: Option<Initiator>,
    created_after: Option<Timestamp>,
    created_before: Option<Timestamp>,
}

/// One state, or a list.
#[derive(Deserialize)]
#[serde(untagged, expecting = "must be rejected, exhausted, discarded or delivered, or a list of these")]
enum States {
    One(delivery::State),
    Several(BTreeSet<delivery::State>),
}

#[derive(Serialize)]
pub(in crate::http) struct JobView {
    id: JobId,
    r#type: &'static str,
    status: &'static str,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
    percentage_done: u8,
    filter: DeliveryFilter,
    matched: u64,
    redelivered: u64,
    skipped: u64,
}

pub(in crate::http) async fn redeliver_all(
    State(state): State<Arc<HttpState>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Extension<Note>, Json<JobView>), ApiError> {
    let Filter { client_id, state: states, initiator, created_after, created_before } = parse_json(&body?)?;
    let states = match states {
        None => None,
        Some(States::One(state)) => Some(BTreeSet::from([state])),
        Some(States::Several(states)) => Some(states),
    };
    if let Some(states) = &states
        && (states.is_empty() || !states.iter().all(|state| state.is_final()))
    {
        let message = "must be rejected, exhausted, discarded or delivered, or a list of these";
        return Err(ApiError::invalid_body("state", message));
    }
    let filter = DeliveryFilter { client_id, states, initiator, created_after, created_before };
    let job = state.redelivery.all(filter).await?;
    let note = Note { affected: vec![job.id.0.to_string()], ..Note::default() };
    Ok((StatusCode::ACCEPTED, Extension(note), Json(job.into())))
}

pub(in crate::http) async fn job(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
) -> Result<Json<JobView>, ApiError> {
    let inexistent = || ApiError::inexistent("job");
    let id = text.parse().map(JobId).map_err(|_| inexistent())?;
    let job = state.redelivery.job(id).await?.ok_or_else(inexistent)?;
    Ok(Json(job.into()))
}

impl From<RedeliveryJob> for JobView {
    fn from(job: RedeliveryJob) -> Self {
        Self {
            id: job.id,
            r#type: "redelivery",
            status: if job.completed_at.is_some() { "completed" } else { "processing" },
            created_at: job.created_at,
            completed_at: job.completed_at,
            percentage_done: job.percentage_done(),
            filter: job.filter,
            matched: job.matched,
            redelivered: job.redelivered,
            skipped: job.skipped,
        }
    }
}
