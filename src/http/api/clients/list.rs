//! `GET /api/v2/clients`: by pages, with totals or without, or by checkpoints; as Auth0 has it.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::fields::Fields;
use super::schema;
use crate::domain::ids::{ClientId, IdError};
use crate::http::error::ApiError;
use crate::http::extract::{ListPermit, Query};
use crate::http::schema as doc;
use crate::http::schema::{DEFAULT_PAGE, MAX_PAGE};
use crate::registry::ClientRegistry;
use crate::storage::ClientFilter;

/// The most clients that can be skipped by `page`.
const MAX_SKIPPED: u32 = 100_000;

/// Lists clients.
///
/// By pages (`page`, `per_page`), with totals or without; or by checkpoints (`from`, `take`), which win.
#[utoipa::path(
    get,
    path = "/api/v2/clients",
    tag = "clients",
    operation_id = "listClients",
    params(
        ("page" = Option<u32>, Query, minimum = 0, maximum = 1000, description = "Which page, from 0 (the default)."),
        ("per_page" = Option<u32>, Query, minimum = 0, maximum = 100,
            description = "How many clients a page has at the most; 50 by default."),
        ("include_totals" = Option<bool>, Query, description = "Whether the answer says how many there are."),
        ("from" = Option<ClientId>, Query, description = "The `next` of the page before."),
        doc::Take,
        schema::FieldNames,
        ("app_type" = Option<Vec<String>>, Query, style = Form, explode = false,
            description = "Of one of these types, separated by commas."),
        ("is_first_party" = Option<bool>, Query, description = "Of this party."),
        ("is_global" = Option<bool>, Query, description = "Auth0's: there are no global clients here."),
    ),
    responses((status = 200, description = "Clients.", body = schema::ClientList))
)]
pub(super) async fn list(
    State(registry): State<ClientRegistry>,
    _permit: ListPermit,
    mut query: Query,
) -> Result<Json<Value>, ApiError> {
    let page = query.number("page", 0, MAX_SKIPPED / MAX_PAGE)?.unwrap_or(0);
    let per_page = query.number("per_page", 0, MAX_PAGE)?.unwrap_or(DEFAULT_PAGE);
    let include_totals = query.boolean("include_totals")?.unwrap_or(false);
    let from: Option<ClientId> = query.take("from", |text| text.parse().map_err(|error: IdError| error))?;
    let take = query.number("take", 1, MAX_PAGE)?;
    let fields = Fields::of(&mut query)?;
    let app_types = query
        .take("app_type", |text| Ok::<_, &str>(text.split(',').map(|it| it.trim().to_owned()).collect()))?;
    let filter = ClientFilter { app_types, first_party: query.boolean("is_first_party")? };
    let global = query.boolean("is_global")?.unwrap_or(false);
    query.finish()?;

    // `from` and `take` win over `page`, which the SDK sends in any case.
    if from.is_some() || take.is_some() {
        let take = if global { 0 } else { take.unwrap_or(DEFAULT_PAGE) };
        let mut records = registry.list(&filter, from.as_ref(), 0, take + 1).await?;
        let more = records.len() > take as usize;
        records.truncate(take as usize);
        let next = records.last().filter(|_| more).map(|last| last.client.client_id.clone());
        let clients: Vec<Value> = records.into_iter().map(|record| fields.of_client(record)).collect();
        return Ok(Json(match next {
            Some(next) => json!({ "clients": clients, "next": next }),
            None => json!({ "clients": clients }),
        }));
    }
    let start = page * per_page;
    // There are no global clients.
    let limit = if global { 0 } else { per_page };
    let records = registry.list(&filter, None, start, limit).await?;
    let clients: Vec<Value> = records.into_iter().map(|record| fields.of_client(record)).collect();
    if !include_totals {
        return Ok(Json(Value::Array(clients)));
    }
    let total = if global { 0 } else { registry.count(&filter).await? };
    let length = clients.len();
    Ok(Json(
        json!({ "start": start, "limit": per_page, "length": length, "total": total, "clients": clients }),
    ))
}
