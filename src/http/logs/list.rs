//! `GET /api/v2/logs`: entries that match, page by page, or from a checkpoint on.
//!
//! Pages are for people: the newest first, the first thousand. Checkpoints are for programs that want every
//! entry once: the oldest first, each page after the last entry of the one before.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::LINK;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::error::ApiError;
use super::super::openapi as doc;
use super::super::query::Query;
use super::super::state::HttpState;
use super::fields::Fields;
use super::{q, schema};
use crate::domain::log::{LogFilter, LogId, LogType};
use crate::storage::{LogOrder, LogRecord, LogsAfter};

/// Auth0's limits.
const DEFAULT_ENTRIES: u32 = 50;
const MAX_ENTRIES: u32 = 100;

/// How far pages reach, Auth0's limit too. What lies beyond is for checkpoints.
const MAX_PAGED: u32 = 1_000;

/// How old an entry is before it is shown to those who go on from a checkpoint. Times are taken before the
/// commit, so that of two entries the later one can be there first: whoever had seen it would never look for
/// the earlier.
const HOLD_BACK: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Page {
    start: u32,
    limit: u32,
    length: usize,
    total: u32,
    logs: Vec<Map<String, Value>>,
}

/// What is asked for, in either mode.
struct Wanted {
    filter: LogFilter,
    fields: Fields,
    /// What the filter was made of, for the link to the next page.
    parameters: Vec<(&'static str, String)>,
}

/// Where to go on, and for how many entries.
struct Checkpoint {
    from: Option<LogId>,
    take: u32,
}

/// Lists entries of the audit trail.
///
/// By pages (`page`, `per_page`), the newest first: only the first thousand. Or by checkpoints (`from`, `take`), which
/// win: the oldest first, each entry once, without those of the last two seconds.
#[utoipa::path(
    get,
    path = "/api/v2/logs",
    tag = "logs",
    operation_id = "listLogs",
    params(
        ("q" = Option<String>, Query, example = "type:(sslo OR fslo) AND client_id:shop",
            description = "Terms joined by AND: `type:`, `client_id:`, `log_id:`, `date:[… TO …]`."),
        ("type" = Option<Vec<doc::LogType>>, Query, style = Form, explode = false, min_items = 1,
            description = "Of one of these types, separated by commas; not together with `type:` in `q`."),
        ("client_id" = Option<doc::ClientId>, Query,
            description = "About this client; not together with `client_id:` in `q`."),
        ("page" = Option<u32>, Query, minimum = 0, maximum = 1000, description = "Which page, from 0 (the default)."),
        ("per_page" = Option<u32>, Query, minimum = 0, maximum = 100,
            description = "How many entries a page has at the most; 50 by default."),
        ("include_totals" = Option<bool>, Query, description = "Whether the answer says how many there are."),
        ("sort" = Option<doc::LogSort>, Query, description = "With `from` and `take` only `date:1`."),
        ("from" = Option<doc::LogId>, Query, description = "The `log_id` of the last entry that was seen."),
        doc::Take,
        schema::FieldNames,
    ),
    responses((status = 200, description = "Entries.", body = schema::LogList,
        headers(("Link" = String, description = "With `from` or `take`: where to go on (RFC 8288)."))))
)]
pub(in crate::http) async fn list(
    State(state): State<Arc<HttpState>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let mut query = Query::of(&uri)?;
    let wanted = Wanted::of(&mut query)?;
    let (from, take) = (query.take("from", str::parse)?, query.number("take", 1, MAX_ENTRIES)?);
    let page = query.number("page", 0, u32::MAX)?.unwrap_or(0);
    let per_page = query.number("per_page", 0, MAX_ENTRIES)?.unwrap_or(DEFAULT_ENTRIES);
    let include_totals = query.boolean("include_totals")?.unwrap_or(false);
    let order = query.take("sort", order)?;
    query.finish()?;

    // Auth0's SDKs always send the parameters of pages too.
    if from.is_some() || take.is_some() {
        if order == Some(LogOrder::Newest) {
            return Err(ApiError::invalid_query("sort", "must be date:1, or left out, with from and take"));
        }
        let checkpoint = Checkpoint { from, take: take.unwrap_or(DEFAULT_ENTRIES) };
        return from_checkpoint(&state, &wanted, &checkpoint).await;
    }
    let start = page.checked_mul(per_page).filter(|start| start.saturating_add(per_page) <= MAX_PAGED);
    let start = start.ok_or_else(|| ApiError::invalid_paging(page, MAX_PAGED))?;
    let order = order.unwrap_or(LogOrder::Newest);
    let logs = wanted.shown(state.logs.logs(&wanted.filter, order, start, per_page).await?);
    if !include_totals {
        return Ok(Json(logs).into_response());
    }
    let total = state.logs.log_count(&wanted.filter, MAX_PAGED).await?;
    Ok(Json(Page { start, limit: per_page, length: logs.len(), total, logs }).into_response())
}

async fn from_checkpoint(
    state: &HttpState,
    wanted: &Wanted,
    checkpoint: &Checkpoint,
) -> Result<Response, ApiError> {
    let until = state.clock.now().saturating_sub(HOLD_BACK).expect("a std Duration has no calendar units");
    let from = checkpoint.from.unwrap_or(LogId::FIRST);
    let LogsAfter { records, looked_at } =
        state.logs.logs_after(&wanted.filter, from, until, checkpoint.take).await?;
    // After an empty page the same checkpoint goes on, or the place up to which nothing matched.
    let next = looked_at.or(records.last().map(|last| last.entry.id)).unwrap_or(from);
    let link = wanted.link(next, checkpoint.take);
    let mut response = Json(wanted.shown(records)).into_response();
    response.headers_mut().insert(LINK, link);
    Ok(response)
}

impl Wanted {
    fn of(query: &mut Query) -> Result<Self, ApiError> {
        let mut parameters = Vec::new();
        let mut filter = LogFilter::default();
        if let Some((text, parsed)) =
            query.take("q", |text| q::parse(text).map(|it| (text.to_owned(), it)))?
        {
            parameters.push(("q", text));
            filter = parsed;
        }
        let types = query.take("type", |text| text.split(',').map(known).collect::<Result<Vec<_>, _>>())?;
        if let Some(types) = types {
            given_once("type", filter.types.is_some())?;
            parameters.push(("type", types.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(",")));
            filter.types = Some(types.into_iter().collect());
        }
        if let Some(client_id) = query.take("client_id", str::parse)? {
            given_once("client_id", filter.client_id.is_some())?;
            parameters.push(("client_id", String::from(filter.client_id.insert(client_id).clone())));
        }
        let fields = Fields::of(query)?;
        parameters.extend(fields.parameters());
        Ok(Self { filter, fields, parameters })
    }

    fn shown(&self, records: Vec<LogRecord>) -> Vec<Map<String, Value>> {
        records.into_iter().map(|record| self.fields.of_entry(record.into())).collect()
    }

    /// The page after `from` (RFC 8288).
    fn link(&self, from: LogId, take: u32) -> HeaderValue {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("from", &from.to_string()).append_pair("take", &take.to_string());
        query.extend_pairs(&self.parameters);
        let link = format!("</api/v2/logs?{}>; rel=\"next\"", query.finish());
        HeaderValue::from_str(&link).expect("what is form-encoded is ASCII without control characters")
    }
}

fn given_once(name: &str, in_q: bool) -> Result<(), ApiError> {
    if in_q {
        return Err(ApiError::invalid_query(name, "is in q too; say it once"));
    }
    Ok(())
}

fn known(name: &str) -> Result<LogType, String> {
    let found = LogType::ALL.into_iter().find(|it| it.as_str() == name);
    found.ok_or_else(|| format!("must be a list of {}", LogType::ALL.map(LogType::as_str).join(", ")))
}

/// Auth0 sorts by other members too; entries are kept in order of time.
fn order(text: &str) -> Result<LogOrder, &'static str> {
    match text {
        "date:1" => Ok(LogOrder::Oldest),
        "date:-1" => Ok(LogOrder::Newest),
        _ => Err("must be date:1 (the oldest first) or date:-1 (the newest first)"),
    }
}
