//! `PATCH /api/v2/sessions/{id}`: replaces a session's metadata.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::SessionView;
use super::{sid, view};
use crate::domain::metadata::SessionMetadata;
use crate::domain::plan::{Command, CommandRefusal};
use crate::http::audit::Note;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::body::{Member, parse_json};
use crate::http::extract::if_match::IfMatch;
use crate::http::extract::path::Id;
use crate::http::schema as doc;
use crate::http::state::HttpState;
use crate::intake::CommandError;

/// A change of a session.
#[derive(Deserialize, ToSchema)]
#[schema(as = SessionUpdate)]
#[serde(deny_unknown_fields)]
struct Body {
    /// Replaces the metadata whole. `null` and `{}` remove all of it.
    #[serde(default)]
    #[schema(value_type = Option<doc::SessionMetadata>, required = true)]
    session_metadata: Member<BTreeMap<String, String>>,
}

/// Replaces a session's metadata.
#[utoipa::path(
    patch,
    path = "/api/v2/sessions/{id}",
    tag = "sessions",
    operation_id = "updateSession",
    params(
        ("id" = doc::Sid, Path, description = "The session."),
        ("If-Match" = Option<String>, Header, nullable = false, pattern = r#"^(\*|(W/)?"[0-9]{1,19}"(, ?(W/)?"[0-9]{1,19}")*)$"#, example = r#""7""#,
            description = "`ETag`s, one of which the session must still have; `*` for any. Weak ones never match."),
    ),
    request_body(content = Body, example = json!({"session_metadata": {"org_id": "org_abc123"}})),
    responses(
        (status = 200, description = "The session.", body = SessionView,
            headers(("ETag" = String, description = "Its new revision."))),
        (status = 400, description = "`invalid_body`, `invalid_header`; `message` names the member and the limit.",
            body = Error),
        (status = 404, description = "`inexistent_session`: there is none, or it has ended.", body = Error),
        (status = 412, description = "`revision_mismatch`: the session has changed since its `ETag` was read.",
            body = Error),
    )
)]
pub(crate) async fn update(
    State(state): State<Arc<HttpState>>,
    Id(text): Id,
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
    let if_match = IfMatch::of(&headers)?;

    let command = Command::ReplaceMetadata { sid, session_metadata, precondition: if_match.precondition() };
    // As this change left it: read again, it could be as somebody else's did.
    let changed = match state.intake.execute(command).await {
        Err(CommandError::Refused(CommandRefusal::Revision)) => return Err(if_match.mismatch()),
        carried_out => carried_out?.changed,
    };
    let session = *changed.ok_or_else(ApiError::inexistent_session)?;
    Ok((Extension(Note::of_members(&body)), view::answer(session)))
}
