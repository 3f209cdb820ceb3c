//! Deliveries and attempts as JSON.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::delivery::{Attempt, Delivery, Phases, State};
use crate::domain::ids::{ClientId, DeliveryId, Sid, Sub};
use crate::domain::initiator::Initiator;
use crate::domain::metadata::SessionMetadata;
use crate::http::schema::{Shown, shown};
use crate::storage::AttemptRecord;

/// A delivery. Its `sub` and metadata are personal data: they are shown to callers who may read deliveries.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryView {
    #[schema(value_type = String, format = "uuid")]
    id: DeliveryId,
    client_id: ClientId,
    state: State,
    initiator: Initiator,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Sid)]
    sid: Option<Sid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Sub)]
    sub: Option<Sub>,
    #[serde(skip_serializing_if = "SessionMetadata::is_empty")]
    session_metadata: SessionMetadata,
    #[schema(value_type = String, format = DateTime)]
    created_at: Shown,
    /// When it is to be attempted next; only while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    due_at: Option<Shown>,
    /// After this no further attempt is planned.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    settled_at: Option<Shown>,
    /// How many attempts were made, over all redeliveries.
    attempts_made: u32,
    /// How often it was put back into the queue by hand.
    redeliveries: u32,
    /// It was not delivered as far as is known, but some attempt may have reached the RP.
    possibly_received: bool,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let Delivery { intent, state, attempts, redeliveries, outcome_unknown, due_at, settled_at } =
            delivery;
        Self {
            id: intent.id,
            client_id: intent.client_id,
            state,
            initiator: intent.initiator,
            sid: intent.sid,
            sub: intent.sub,
            session_metadata: intent.session_metadata,
            created_at: shown(intent.created_at),
            due_at: (state == State::Pending).then_some(due_at).map(shown),
            expires_at: shown(intent.expires_at),
            settled_at: settled_at.map(shown),
            attempts_made: attempts,
            redeliveries,
            possibly_received: outcome_unknown && state != State::Delivered,
        }
    }
}

/// An attempt. Never the token.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptView {
    number: u32,
    #[schema(value_type = String, format = DateTime)]
    started_at: Shown,
    duration_ms: f64,
    /// How long its parts took; those that took place.
    phases_ms: PhasesView,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u16, minimum = 100, maximum = 999)]
    status: Option<u16>,
    /// The class of the failure; none if it was delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    error: Option<String>,
    /// The first KiB of the answer's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    answer: Option<String>,
    /// What it was posted to, if it got that far.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    remote_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uuid")]
    jti: Option<Uuid>,
    /// No answer came, but the RP may have received the token.
    outcome_unknown: bool,
    /// It was refused after an attempt of unknown outcome: the RP may have had the token's session ended
    /// by that already.
    refused_after_unknown: bool,
}

/// How long the parts of an attempt took, in milliseconds.
#[derive(Serialize, ToSchema)]
#[schema(as = AttemptPhases)]
struct PhasesView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64)]
    sign: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64)]
    dns: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64)]
    connect: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64)]
    answer: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64)]
    body: Option<f64>,
}

/// An attempt that belongs to no delivery.
pub(crate) fn attempt_view(attempt: Attempt) -> AttemptView {
    view(AttemptRecord { number: 1, attempt }, false)
}

/// The attempts of a delivery, oldest first.
pub(super) fn attempts(records: Vec<AttemptRecord>) -> Vec<AttemptView> {
    let mut unknown_before = false;
    let view = |record: AttemptRecord| {
        let unknown = record.attempt.outcome_unknown;
        let view = view(record, unknown_before);
        unknown_before |= unknown;
        view
    };
    records.into_iter().map(view).collect()
}

fn view(record: AttemptRecord, unknown_before: bool) -> AttemptView {
    let AttemptRecord { number, attempt } = record;
    let refused = attempt.status.is_some_and(|status| (400..500).contains(&status));
    let Phases { sign, dns, connect, answer, body } = attempt.phases;
    AttemptView {
        number,
        started_at: shown(attempt.started_at),
        duration_ms: millis(attempt.duration),
        phases_ms: PhasesView {
            sign: sign.map(millis),
            dns: dns.map(millis),
            connect: connect.map(millis),
            answer: answer.map(millis),
            body: body.map(millis),
        },
        status: attempt.status,
        error: attempt.error,
        answer: attempt.answer,
        uri: attempt.uri,
        remote_address: attempt.remote_address,
        kid: attempt.kid,
        jti: attempt.jti,
        outcome_unknown: attempt.outcome_unknown,
        refused_after_unknown: refused && unknown_before,
    }
}

fn millis(duration: Duration) -> f64 {
    // Microseconds are as exact as these figures are.
    f64::from(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)) / 1_000.0
}
