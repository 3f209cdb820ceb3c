//! `POST /events`: CloudEvents 1.0 in structured, batched or binary mode.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::{ApiError, not_accepted};
use super::prefer;
use super::state::HttpState;
use crate::causes::Causes;
use crate::domain::delivery::DeliverySummary;
use crate::domain::event::Event;
use crate::domain::ids::DeliveryId;
use crate::intake::Accepted;
use crate::intake::cloudevents::{parse_batch, parse_binary, parse_structured};

/// How a body is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Structured,
    Batch,
    Binary,
}

#[derive(Serialize)]
struct Answer {
    id: String,
    duplicate: bool,
    sessions: Vec<crate::domain::ids::Sid>,
    deliveries: Vec<DeliverySummary>,
}

pub(super) async fn receive(
    State(state): State<Arc<HttpState>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body = body?;
    let mode = mode(&headers, &body).ok_or_else(ApiError::unsupported_media_type)?;
    let events: Vec<Event> = match mode {
        Mode::Structured => vec![parse_structured(&body)?],
        Mode::Batch => parse_batch(&body)?,
        Mode::Binary => {
            let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
            vec![parse_binary(header, &body)?]
        }
    };
    let accepted =
        state.intake.accept(events).await.map_err(|error| not_accepted(&error, mode == Mode::Batch))?;
    let mut answers: Vec<Answer> = accepted.into_iter().map(Answer::from).collect();

    let wish = prefer::wait(&headers);
    let waited = match wish {
        Some(patience) => wait(&state, &mut answers, patience).await,
        None => false,
    };
    let body = match mode {
        Mode::Batch => Json(answers).into_response(),
        Mode::Structured | Mode::Binary => Json(answers.pop()).into_response(),
    };
    let mut response = (if waited { StatusCode::OK } else { StatusCode::ACCEPTED }, body).into_response();
    if let Some(patience) = wish.filter(|_| waited) {
        let applied = format!("wait={}", patience.as_secs());
        let applied = HeaderValue::from_str(&applied).expect("digits are valid in a header");
        response.headers_mut().insert("preference-applied", applied);
    }
    Ok(response)
}

/// Waits until every delivery is final or patience runs out, and puts the states reached into the
/// answers. `false` if that could not be found out: the events are stored all the same.
async fn wait(state: &HttpState, answers: &mut [Answer], patience: Duration) -> bool {
    let ids: Vec<DeliveryId> = answers.iter().flat_map(|it| &it.deliveries).map(|it| it.id).collect();
    let summaries = tokio::select! {
        summaries = state.waiting.wait(&*state.deliveries, &ids, patience) => summaries,
        // A service that winds down keeps nobody waiting.
        () = state.shutdown.draining() => state.deliveries.summaries(&ids).await,
    };
    let summaries = match summaries {
        Ok(summaries) => summaries,
        Err(error) => {
            tracing::error!(error = %Causes(&error), "deliveries could not be read");
            return false;
        }
    };
    for delivery in answers.iter_mut().flat_map(|it| &mut it.deliveries) {
        if let Some(now) = summaries.iter().find(|it| it.id == delivery.id) {
            delivery.state = now.state;
        }
    }
    true
}

/// Content types of the CloudEvents HTTP binding §3; plain `application/json` without `ce-` headers is
/// taken for what its first character says, since that is what people send with curl.
fn mode(headers: &HeaderMap, body: &[u8]) -> Option<Mode> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "application/cloudevents+json" => Some(Mode::Structured),
        "application/cloudevents-batch+json" => Some(Mode::Batch),
        "application/json" if headers.contains_key("ce-specversion") => Some(Mode::Binary),
        "application/json" if body.trim_ascii_start().starts_with(b"[") => Some(Mode::Batch),
        "application/json" => Some(Mode::Structured),
        _ => None,
    }
}

impl From<Accepted> for Answer {
    fn from(accepted: Accepted) -> Self {
        let Accepted { receipt, duplicate } = accepted;
        Self { id: receipt.id, duplicate, sessions: receipt.sessions, deliveries: receipt.deliveries }
    }
}
