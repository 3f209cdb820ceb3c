//! `GET /api/v2/deliveries`: deliveries that match, the newest first, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::DeliveryView;
use crate::domain::delivery::{self, DeliveryFilter};
use crate::domain::ids::{ClientId, DeliveryId, Sid};
use crate::domain::initiator::Initiator;
use crate::http::error::ApiError;
use crate::http::extract::query::NOT_A_CHECKPOINT;
use crate::http::extract::{ListPermit, Query};
use crate::http::schema as doc;
use crate::storage::DeliveryReader;

/// Deliveries, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryPage)]
pub(super) struct Page {
    deliveries: Vec<DeliveryView>,
    /// What to give as `from` for the next page; left out on the last. A page before that may be short, or empty: it
    /// looks at 10,000 deliveries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uuid")]
    next: Option<DeliveryId>,
}

/// Lists deliveries, the newest first.
#[utoipa::path(
    get,
    path = "/api/v2/deliveries",
    tag = "deliveries",
    operation_id = "listDeliveries",
    params(
        ("client_id" = Option<ClientId>, Query, description = "Of this client."),
        ("state" = Option<Vec<delivery::State>>, Query, style = Form, explode = false, min_items = 1,
            description = "In one of these states, separated by commas."),
        ("initiator" = Option<Initiator>, Query, description = "Of sessions that ended so."),
        ("created_after" = Option<String>, Query, format = DateTime, description = "Made at this time or later."),
        ("created_before" = Option<String>, Query, format = DateTime, description = "Made before this time."),
        ("sid" = Option<Sid>, Query, description = "Of this session."),
        doc::Checkpoint,
        doc::Take,
        ("include_totals" = Option<bool>, Query, description = "Taken as by the other lists; the answer has no totals."),
    ),
    responses((status = 200, description = "A page of them.", body = Page))
)]
pub(super) async fn list(
    State(deliveries): State<Arc<dyn DeliveryReader>>,
    _permit: ListPermit,
    mut query: Query,
) -> Result<Json<Page>, ApiError> {
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
    query.no_totals()?;
    query.finish()?;

    let page = deliveries.deliveries(&filter, sid.as_ref(), from, take).await?;
    let deliveries = page.deliveries.into_iter().map(DeliveryView::from).collect();
    Ok(Json(Page { deliveries, next: page.next }))
}
