//! `PATCH /api/v2/sessions/{id}`: replaces a session's metadata.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::view;
use super::view::SessionView;
use crate::domain::ids::Sid;
use crate::domain::metadata::SessionMetadata;
use crate::domain::plan::{Command, CommandRefusal};
use crate::http::audit::Note;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::{ApiChange, ApiPath, IfMatch, Member};
use crate::http::schema as doc;
use crate::intake::{CommandError, Intake};

/// A change of a session.
#[derive(Deserialize, ToSchema)]
#[schema(as = SessionUpdate)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionChange {
    /// Replaces the metadata whole. `null` and `{}` remove all of it.
    #[serde(default)]
    #[schema(value_type = Option<SessionMetadata>, required = true)]
    session_metadata: Member<BTreeMap<String, String>>,
}

/// Replaces a session's metadata.
#[utoipa::path(
    patch,
    path = "/api/v2/sessions/{id}",
    tag = "sessions",
    operation_id = "updateSession",
    params(
        ("id" = Sid, Path, description = "The session."),
        doc::IfMatch,
    ),
    request_body(content = SessionChange, example = json!({"session_metadata": {"org_id": "org_abc123"}})),
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
pub(super) async fn update(
    State(intake): State<Intake>,
    ApiPath(sid): ApiPath<Sid>,
    if_match: IfMatch,
    ApiChange { change, members }: ApiChange<SessionChange>,
) -> Result<(Extension<Note>, Response), ApiError> {
    let entries = change
        .session_metadata
        .sets(BTreeMap::new())
        .ok_or_else(|| ApiError::invalid_body("session_metadata", "this member is required"))?;
    let session_metadata = SessionMetadata::try_from(entries).map_err(ApiError::from)?;

    let command = Command::ReplaceMetadata { sid, session_metadata, precondition: if_match.precondition() };
    // As this change left it: if it were read again, it could have another change.
    let changed = match intake.execute(command).await {
        Err(CommandError::Refused(CommandRefusal::Revision)) => return Err(if_match.mismatch()),
        carried_out => carried_out?.changed,
    };
    let session = *changed.ok_or_else(ApiError::inexistent_session)?;
    Ok((Extension(Note { changed: members, ..Note::default() }), view::answer(session)))
}
