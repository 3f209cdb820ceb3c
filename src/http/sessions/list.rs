//! `GET /api/v2/users/{id}/sessions`: the sessions of a user, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use uuid::Uuid;

use super::super::error::ApiError;
use super::super::query::{NOT_A_CHECKPOINT, Query};
use super::super::state::HttpState;
use super::sub;
use super::view::SessionView;
use crate::domain::session::SessionKey;

#[derive(Serialize)]
pub(in crate::http) struct Page {
    sessions: Vec<SessionView>,
    /// What to give as `from` for the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Uuid>,
}

pub(in crate::http) async fn list(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
    uri: Uri,
) -> Result<Json<Page>, ApiError> {
    let sub = sub(&text)?;
    let mut query = Query::of(&uri)?;
    let from = query.take("from", |text| text.parse().map(SessionKey).map_err(|_| NOT_A_CHECKPOINT))?;
    let take = query.take_count()?;
    // Auth0's SDK always sends it, and its answer has no totals either.
    query.boolean("include_totals")?;
    query.finish()?;

    let page = state.sessions.live_sessions_of(&sub, from, take).await?;
    let next = page.sessions.last().filter(|_| page.more).map(|last| last.key.0);
    Ok(Json(Page { sessions: page.sessions.into_iter().map(SessionView::from).collect(), next }))
}
