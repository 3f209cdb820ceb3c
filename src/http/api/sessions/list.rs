//! `GET /api/v2/users/{id}/sessions`: the sessions of a user, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::SessionView;
use crate::domain::ids::Sub;
use crate::domain::session::SessionKey;
use crate::http::error::ApiError;
use crate::http::extract::query::NOT_A_CHECKPOINT;
use crate::http::extract::{ApiPath, ListPermit, Query};
use crate::http::schema as doc;
use crate::storage::SessionReader;

/// Live sessions of a user.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionPage)]
pub(super) struct Page {
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
        ("id" = Sub, Path, description = "The user's `sub`."),
        doc::Checkpoint,
        doc::Take,
        ("include_totals" = Option<bool>, Query, description = "Auth0's SDKs send it; the answer has no totals."),
    ),
    responses((status = 200, description = "A page of them.", body = Page))
)]
pub(super) async fn list(
    State(sessions): State<Arc<dyn SessionReader>>,
    ApiPath(sub): ApiPath<Sub>,
    _permit: ListPermit,
    mut query: Query,
) -> Result<Json<Page>, ApiError> {
    let from = query.take("from", |text| text.parse().map(SessionKey).map_err(|_| NOT_A_CHECKPOINT))?;
    let take = query.take_count()?;
    query.no_totals()?;
    query.finish()?;

    let page = sessions.live_sessions_of(&sub, from, take).await?;
    let next = page.sessions.last().filter(|_| page.more).map(|last| last.key.0);
    Ok(Json(Page { sessions: page.sessions.into_iter().map(SessionView::from).collect(), next }))
}
