//! `GET /api/v2/deliveries`: deliveries that match, the newest first, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;

use super::super::error::ApiError;
use super::super::query::{NOT_A_CHECKPOINT, Query};
use super::super::state::HttpState;
use super::view::DeliveryView;
use crate::domain::delivery::{self, DeliveryFilter};
use crate::domain::ids::{DeliveryId, Sid};

#[derive(Serialize)]
pub(in crate::http) struct Page {
    deliveries: Vec<DeliveryView>,
    /// What to give as `from` for the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<DeliveryId>,
}

pub(in crate::http) async fn list(
    State(state): State<Arc<HttpState>>,
    uri: Uri,
) -> Result<Json<Page>, ApiError> {
    let mut query = Query::of(&uri)?;
    let filter = DeliveryFilter {
        client_id: query.take("client_id", str::parse)?,
        states: query.take("state", |text| text.split(',').map(str::parse::<delivery::State>).collect())?,
        initiator: query.take("initiator", str::parse)?,
        created_after: query.time("created_after")?,
        created_before: query.time("created_before")?,
    };
    let sid: Option<Sid> = query.take("sid", str::parse)?;
    let from = query.take("from", |text| text.parse().map(DeliveryId).map_err(|_| NOT_A_CHECKPOINT))?;
    let take = query.take_count()?;
    query.finish()?;

    let page = state.deliveries.deliveries(&filter, sid.as_ref(), from, take).await?;
    let next = page.deliveries.last().filter(|_| page.more).map(|last| last.intent.id);
    Ok(Json(Page { deliveries: page.deliveries.into_iter().map(DeliveryView::from).collect(), next }))
}
