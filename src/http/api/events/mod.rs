//! `POST /events`: CloudEvents 1.0 in structured, batched or binary mode.

mod body;
mod schema;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{FromRef, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;
use utoipa_axum::routes;

use self::body::EventBytes;
use crate::access::Grant;
use crate::causes::Causes;
use crate::delivery::{Waiting, states};
use crate::domain::access::{Reporter, Scope, SourceLimit};
use crate::domain::delivery::{DeliverySummary, State as DeliveryState};
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, Sid};
use crate::domain::receipt::Receipt;
use crate::http::error::{ApiError, Body as Error, not_accepted};
use crate::http::extract::prefer;
use crate::http::route::Route;
use crate::http::schema as doc;
use crate::http::state::SharedState;
use crate::intake::{Accepted, BatchMode, Intake, all_accepted};
use crate::shutdown::Shutdown;
use crate::sources::cloudevents::{Mode, parse};
use crate::storage::DeliveryReader;

/// The sessions and deliveries from which an answer is written on a blocking thread.
const MIN_BLOCKING_WRITE: usize = 1_000;

/// The route of this folder, which both listeners serve.
pub(crate) fn routes() -> Vec<Route> {
    vec![Route::scoped(Scope::CreateEvents, routes!(receive))]
}

/// What it takes to wait for the outcome of deliveries.
struct Outcomes {
    waiting: Waiting,
    deliveries: Arc<dyn DeliveryReader>,
    shutdown: Shutdown,
}

impl FromRef<SharedState> for Outcomes {
    fn from_ref(state: &SharedState) -> Self {
        Self {
            waiting: FromRef::from_ref(state),
            deliveries: FromRef::from_ref(state),
            shutdown: FromRef::from_ref(state),
        }
    }
}

/// The answer to an event.
#[derive(Serialize, ToSchema)]
#[schema(as = EventAnswer)]
struct Answer {
    /// The event.
    id: String,
    /// Whether it had been accepted before; then this is its answer from then.
    duplicate: bool,
    /// The sessions that it is about.
    sessions: Vec<Sid>,
    /// The logout tokens that are to be delivered since.
    #[schema(value_type = Vec<doc::DeliverySummary>)]
    deliveries: Vec<DeliverySummary>,
    /// `false` if more sessions of the user end and more deliveries follow: there are so many that they are not all
    /// known yet. The same event reported again answers with those that are. Else left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    complete: Option<bool>,
}

/// One for each event: of a batch, in its order.
#[derive(ToSchema)]
#[schema(as = EventAnswers)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes what `receive` writes")]
enum Answers {
    One(Answer),
    Several(Vec<Answer>),
}

/// Reports events.
///
/// CloudEvents 1.0: structured, batched, or binary. `id` and `source` are an event's idempotency key: the same
/// event again gets the same answer. Served by both listeners.
#[utoipa::path(
    post,
    path = "/events",
    tag = "events",
    operation_id = "createEvents",
    params(
        ("Prefer" = Option<String>, Header, nullable = false, example = "wait=10",
            description = "`wait=N` (RFC 7240): answer when every delivery is final, or after N seconds (at most 60)."),
        ("ce-specversion" = Option<String>, Header, nullable = false, description = "Binary mode: must be `1.0`."),
        ("ce-id" = Option<String>, Header, nullable = false, description = "Binary mode: `id`, percent-encoded."),
        ("ce-source" = Option<String>, Header, nullable = false, description = "Binary mode: `source`, percent-encoded."),
        ("ce-type" = Option<String>, Header, nullable = false, description = "Binary mode: `type`."),
        ("ce-time" = Option<String>, Header, nullable = false, description = "Binary mode: `time`."),
    ),
    request_body(
        content(
            (schema::Event = "application/cloudevents+json", example = json!({
                "specversion": "1.0", "id": "evt-1", "source": "https://op.example.com",
                "type": "session.terminated",
                "data": {"sid": "s-1", "sub": "alice", "initiator": "rp-logout", "clients": ["shop"]}
            })),
            (schema::EventBatch = "application/cloudevents-batch+json"),
            (schema::PlainJson = "application/json"),
        )
    ),
    responses(
        (status = 200, description = "With `Prefer: wait=N`: durable, with the states that deliveries reached.",
            body = Answers, headers(("Preference-Applied" = String, description = "`wait=N`, as it was applied."))),
        (status = 202, description = "Durable: the events and their deliveries survive a crash.", body = Answers),
        (status = 400, description = "`invalid_body`: `message` names the member and the limit; in a batch as \
            `[index].member`.", body = Error),
        (status = 403, description = "`insufficient_scope`: the token does not have the scope. `source_not_allowed`: it may \
            not report for the `source` of an event; in a batch `message` names the event.", body = Error),
        (status = 408, description = "`body_too_slow`: the body did not arrive in time.", body = Error),
        (status = 409, description = "`event_id_reused`: this `source` and `id` belong to an event with other data.",
            body = Error),
        (status = 413, description = "`body_too_large`; `batch_too_large`: it is about more clients than one \
            transaction may have. Split it.", body = Error),
        (status = 415, description = "`unsupported_media_type`: none of those listed.", body = Error),
        (status = 422, description = "The event cannot be applied: `unknown_session`, `session_ended`, \
            `sub_mismatch`, `unknown_client`, `no_identifier`, `too_many_clients`.", body = Error),
    )
)]
async fn receive(
    State(intake): State<Intake>,
    State(outcomes): State<Outcomes>,
    Extension(grant): Extension<Grant>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let reporter = Reporter::of(&grant.caller);
    let EventBytes { bytes, memory } = body::read(&intake, &reporter, &headers, body).await?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let mode = content_type.and_then(|it| Mode::of(it, headers.contains_key("ce-specversion"), &bytes));
    let mode = mode.ok_or_else(ApiError::unsupported_media_type)?;
    let (headers, events) = body::parse(bytes, move |bytes| {
        let all = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let events = parse(mode, all, bytes);
        (headers, events)
    })
    .await;
    let events = events?;
    let batch = mode == Mode::Batch;
    check_sources(&grant.sources, &events, batch)?;
    let results = intake.accept(&reporter, events, BatchMode::AllOrNothing, memory).await;
    let accepted =
        all_accepted(results).map_err(|(index, error)| not_accepted(&error, batch.then_some(index)))?;

    let preferred = prefer::wait(&headers);
    let states = match preferred {
        Some(timeout) => wait(&outcomes, &accepted, timeout).await,
        None => None,
    };
    let waited = states.is_some();
    let body = write(accepted, states.unwrap_or_default(), mode).await;
    let json = HeaderValue::from_static("application/json");
    let mut response = (if waited { StatusCode::OK } else { StatusCode::ACCEPTED }, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, json);
    if let Some(timeout) = preferred.filter(|_| waited) {
        let applied = format!("wait={}", timeout.as_secs());
        let applied = HeaderValue::from_str(&applied).expect("digits are valid in a header");
        response.headers_mut().insert("preference-applied", applied);
    }
    Ok(response)
}

/// A token that is limited to sources must not report for others, not even with one event of a batch.
fn check_sources(limit: &SourceLimit, events: &[Event], batch: bool) -> Result<(), ApiError> {
    match events.iter().position(|event| !limit.allows(&event.source)) {
        Some(index) => Err(ApiError::source_not_allowed(batch.then_some(index), &events[index].source)),
        None => Ok(()),
    }
}

/// Waits until every delivery is final or `timeout` has passed, and returns the states reached. `None` if they could
/// not be read: the events are stored all the same.
async fn wait(
    Outcomes { waiting, deliveries, shutdown }: &Outcomes,
    accepted: &[Accepted],
    timeout: Duration,
) -> Option<HashMap<DeliveryId, DeliveryState>> {
    let ids: Vec<DeliveryId> =
        accepted.iter().flat_map(|it| &it.receipt.deliveries).map(|it| it.id).collect();
    let states = tokio::select! {
        states = waiting.wait(&**deliveries, &ids, timeout) => states,
        // A service that drains answers at once.
        () = shutdown.draining() => states(&**deliveries, &ids).await,
    };
    states.inspect_err(|error| tracing::error!(error = %Causes(error), "deliveries could not be read")).ok()
}

/// Writes the answers; long ones on a blocking thread.
async fn write(accepted: Vec<Accepted>, states: HashMap<DeliveryId, DeliveryState>, mode: Mode) -> Vec<u8> {
    let length: usize =
        accepted.iter().map(|it| it.receipt.deliveries.len() + it.receipt.sessions.len()).sum();
    let write = move || {
        // Held until the answers are written.
        let mut permits = Vec::new();
        let mut answers: Vec<Answer> =
            accepted.into_iter().map(|it| Answer::new(it, &states, &mut permits)).collect();
        let json = match mode {
            Mode::Batch => serde_json::to_vec(&answers),
            Mode::Structured | Mode::Binary => serde_json::to_vec(&answers.pop()),
        };
        json.expect("an answer has string keys and no failing serializers")
    };
    if length < MIN_BLOCKING_WRITE {
        return write();
    }
    match tokio::task::spawn_blocking(write).await {
        Ok(json) => json,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

impl Answer {
    fn new(
        accepted: Accepted,
        states: &HashMap<DeliveryId, DeliveryState>,
        permits: &mut Vec<Option<OwnedSemaphorePermit>>,
    ) -> Self {
        let Accepted { receipt, duplicate, is_complete, permit } = accepted;
        permits.push(permit);
        let Receipt { id, sessions, mut deliveries } = receipt;
        for delivery in &mut deliveries {
            if let Some(state) = states.get(&delivery.id) {
                delivery.state = *state;
            }
        }
        Self { id, duplicate, sessions, deliveries, complete: (!is_complete).then_some(false) }
    }
}
