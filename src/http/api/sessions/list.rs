//! `GET /api/v2/users/{id}/sessions`: the sessions of a user, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::sub;
use super::view::SessionView;
use crate::domain::session::SessionKey;
use crate::http::error::ApiError;
use crate::http::extract::list_turn::ListTurn;
use crate::http::extract::path::Id;
use crate::http::extract::query::{NOT_A_CHECKPOINT, Query};
use crate::http::schema as doc;
use crate::http::state::HttpState;

/// Live sessions of a user.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionPage)]
pub(crate) struct Page {
    sessions: Vec<SessionView>,
    /// What to give as `from` for the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uuid")]
    next: Option<Uuid>,
}

/// Lists the live sessions of a user.
#[utoipa::path(
    get,
    path = "/api/v2/users/{id}/sessions",
    tag = "sessions",
    operation_id = "listUserSessions",
    params(
        ("id" = doc::Sub, Path, description = "The user's `sub`."),
        doc::Checkpoint,
        doc::Take,
        ("include_totals" = Option<bool>, Query, description = "Auth0's SDKs send it; the answer has no totals."),
    ),
    responses((status = 200, description = "A page of them.", body = Page))
)]
pub(crate) async fn list(
    State(state): State<Arc<HttpState>>,
    Id(text): Id,
    _turn: ListTurn,
    uri: Uri,
) -> Result<Json<Page>, ApiError> {
    let sub = sub(&text)?;
    let mut query = Query::of(&uri)?;
    let from = query.take("from", |text| text.parse().map(SessionKey).map_err(|_| NOT_A_CHECKPOINT))?;
    let take = query.take_count()?;
    query.no_totals()?;
    query.finish()?;

    let page = state.sessions.live_sessions_of(&sub, from, take).await?;
    let next = page.sessions.last().filter(|_| page.more).map(|last| last.key.0);
    Ok(Json(Page { sessions: page.sessions.into_iter().map(SessionView::from).collect(), next }))
}
