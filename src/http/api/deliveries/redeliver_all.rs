//! `POST /api/v2/deliveries/redeliver`: all that match back into the queue, as a job; and
//! `GET /api/v2/jobs/{id}`: how far it is.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

use crate::delivery::Redelivery;
use crate::domain::delivery::{self, DeliveryFilter};
use crate::domain::ids::ClientId;
use crate::domain::initiator::Initiator;
use crate::domain::redelivery::{JobId, RedeliveryJob};
use crate::domain::time;
use crate::http::audit::Note;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::{ApiJson, ApiPath, PathSegment};
use crate::http::schema as doc;
use crate::http::schema::{Shown, shown};

/// Which deliveries; what is left out does not restrict. Without `state`, what failed for good.
#[derive(Deserialize, ToSchema)]
#[schema(as = RedeliveryFilter)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    client_id: Option<ClientId>,
    /// `rejected`, `exhausted`, `discarded` or `delivered`, or a list of these.
    #[schema(value_type = Option<doc::FinalStates>)]
    state: Option<States>,
    initiator: Option<Initiator>,
    /// Those made at this time or later.
    #[serde(default, deserialize_with = "time::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    created_after: Option<Timestamp>,
    /// Those made before this time.
    #[serde(default, deserialize_with = "time::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    created_before: Option<Timestamp>,
}

/// One state, or a list.
#[derive(Deserialize)]
#[serde(untagged, expecting = "must be rejected, exhausted, discarded or delivered, or a list of these")]
enum States {
    One(delivery::State),
    Several(BTreeSet<delivery::State>),
}

/// A job that puts deliveries back into the queue.
#[derive(Serialize, ToSchema)]
#[schema(as = RedeliveryJob)]
pub(super) struct JobView {
    #[schema(value_type = String, format = "uuid")]
    id: JobId,
    #[schema(example = "redelivery")]
    r#type: &'static str,
    /// `processing` or `completed`.
    #[schema(pattern = "^(processing|completed)$")]
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    completed_at: Option<Shown>,
    /// An estimate, until it is complete: by what matches, or by the time the deliveries are from where that is not
    /// counted yet.
    #[schema(maximum = 100)]
    percentage_done: u8,
    filter: FilterView,
    /// How many deliveries match: those that did when it began, as far as they were counted then (5,000 deliveries are
    /// looked at), and what it has found since beyond these.
    matched: u64,
    /// Whether `matched` counts all of them.
    matched_is_final: bool,
    /// How many it has put back into the queue.
    redelivered: u64,
    /// How many it has skipped, since their clients are no longer subscribed, or another request has changed them.
    skipped: u64,
}

/// Which deliveries. What is left out does not restrict.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryFilter)]
struct FilterView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ClientId)]
    client_id: Option<ClientId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<delivery::State>)]
    states: Option<BTreeSet<delivery::State>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Initiator)]
    initiator: Option<Initiator>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    created_after: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    created_before: Option<Shown>,
}

/// Puts all deliveries that match back into the queue.
///
/// It is done by a job, which survives a restart; jobs take turns. Where nothing matches it is complete at once. What
/// the filter leaves out does not restrict; without `state` it is `rejected` and `exhausted`. 100 jobs may be unfinished:
/// another is refused with 429 and `too_many_jobs`.
#[utoipa::path(
    post,
    path = "/api/v2/deliveries/redeliver",
    tag = "deliveries",
    operation_id = "redeliverAll",
    request_body(content = Filter, example = json!({"client_id": "shop", "state": ["rejected", "exhausted"]})),
    responses((status = 202, description = "The job.", body = JobView))
)]
pub(super) async fn redeliver_all(
    State(redelivery): State<Redelivery>,
    ApiJson(filter): ApiJson<Filter>,
) -> Result<(StatusCode, Extension<Note>, Json<JobView>), ApiError> {
    let Filter { client_id, state: states, initiator, created_after, created_before } = filter;
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
    let job = redelivery.all(filter).await??;
    let note = Note { affected: vec![job.id.0.to_string()], ..Note::default() };
    Ok((StatusCode::ACCEPTED, Extension(note), Json(job.into())))
}

/// Reads how far a job is.
#[utoipa::path(
    get,
    path = "/api/v2/jobs/{id}",
    tag = "deliveries",
    operation_id = "getJob",
    params(("id" = doc::Uuid, Path, description = "The job.")),
    responses(
        (status = 200, description = "The job.", body = JobView),
        (status = 404, description = "`inexistent_resource`: there is none, or it was swept.", body = Error),
    )
)]
pub(super) async fn job(
    State(redelivery): State<Redelivery>,
    ApiPath(id): ApiPath<JobId>,
) -> Result<Json<JobView>, ApiError> {
    let job = redelivery.job(id).await?.ok_or_else(|| ApiError::inexistent("job"))?;
    Ok(Json(job.into()))
}

impl PathSegment for JobId {
    fn parse(text: &str) -> Result<Self, ApiError> {
        text.parse().map(Self).map_err(|_| ApiError::inexistent("job"))
    }
}

impl From<DeliveryFilter> for FilterView {
    fn from(filter: DeliveryFilter) -> Self {
        let DeliveryFilter { client_id, states, initiator, created_after, created_before } = filter;
        let (created_after, created_before) = (created_after.map(shown), created_before.map(shown));
        Self { client_id, states, initiator, created_after, created_before }
    }
}

impl From<RedeliveryJob> for JobView {
    fn from(job: RedeliveryJob) -> Self {
        Self {
            id: job.id,
            r#type: "redelivery",
            status: if job.completed_at.is_some() { "completed" } else { "processing" },
            created_at: shown(job.created_at),
            completed_at: job.completed_at.map(shown),
            percentage_done: job.percentage_done(),
            matched_is_final: job.is_counted(),
            filter: job.filter.into(),
            matched: job.matched,
            redelivered: job.redelivered,
            skipped: job.skipped,
        }
    }
}
