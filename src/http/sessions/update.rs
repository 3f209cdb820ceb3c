//! `PATCH /api/v2/sessions/{id}`: replaces a session's metadata.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::IF_MATCH;
use axum::response::Response;
use serde::Deserialize;

use super::super::audit::Note;
use super::super::body::{Member, parse_json};
use super::super::error::ApiError;
use super::super::state::HttpState;
use super::{sid, view};
use crate::domain::metadata::SessionMetadata;
use crate::domain::plan::Command;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// `null` and `{}` remove all of it.
    #[serde(default)]
    session_metadata: Member<BTreeMap<String, String>>,
}

pub(in crate::http) async fn update(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(Extension<Note>, Response), ApiError> {
    let sid = sid(&text)?;
    let body = body?;
    let Body { session_metadata } = parse_json(&body)?;
    let entries = session_metadata
        .sets(BTreeMap::new())
        .ok_or_else(|| ApiError::invalid_body("session_metadata", "this member is required"))?;
    let session_metadata = SessionMetadata::try_from(entries).map_err(ApiError::from)?;
    let if_revision = revision(&headers)?;

    let command = Command::ReplaceMetadata { sid: sid.clone(), session_metadata, if_revision };
    state.intake.carry_out(command).await?;
    let session = state.sessions.session(&sid).await?.ok_or_else(ApiError::inexistent_session)?;
    Ok((Extension(Note::of_members(&body)), view::answer(session)))
}

/// The revision that the session must have; `None` for any.
fn revision(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let revision = quoted.and_then(|text| text.parse().ok());
    revision
        .map(Some)
        .ok_or_else(|| ApiError::invalid_header("If-Match", "must be the ETag of one answer, or *"))
}
