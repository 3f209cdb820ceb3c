//! `GET /api/v2/logs`: entries that match, page by page, or from a checkpoint on.
//!
//! Pages are for people: the newest entries first, and at most a thousand. Checkpoints are for programs that read every
//! entry once: the oldest first, each page beginning after the last entry of the one before.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::fields::Fields;
use super::q::{self, Language};
use super::schema;
use super::view::LogView;
use crate::clock::Clock;
use crate::domain::ids::ClientId;
use crate::domain::log::{LogField, LogFilter, LogId, LogTerm, LogType, Pattern};
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::{ListPermit, Query};
use crate::http::schema as doc;
use crate::http::state::AuditSubjects;
use crate::storage::{LogOrder, LogPage, LogRecord, LogStore};

/// Auth0's limits.
const DEFAULT_ENTRIES: u32 = 50;
const MAX_ENTRIES: u32 = 100;

/// The most entries that can be reached by pages, as at Auth0. Checkpoints reach the others.
const MAX_PAGED: u32 = 1_000;

/// The age from which entries are shown in checkpoint paging. Their times are taken before the commit, so that of two
/// entries the later can be committed first: a reader that went on after it would miss the earlier.
const HOLD_BACK: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Page {
    start: u32,
    limit: u32,
    length: usize,
    total: u32,
    logs: Vec<Map<String, Value>>,
}

/// What the parameters of either kind of paging ask for.
struct Wanted {
    filter: LogFilter,
    fields: Fields,
    /// The parameters of the filter, for the link to the next page.
    parameters: Vec<(&'static str, String)>,
    /// Whether entries name users.
    users: bool,
}

/// Where to continue, and for how many entries.
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
        ("q" = Option<String>, Query, max_length = 4096, example = "type:oidc_backchannel_logout_failed AND NOT client_id:shop",
            description = "Auth0's query syntax, after Lucene's: terms such as `type:`, `client_id:`, `client_name:`, \
                `user_id:`, `ip:`, `description:`, `user_agent:`, `log_id:` and `date:`, with AND, OR, NOT, parentheses, \
                `*` and ranges."),
        ("search" = Option<String>, Query, max_length = 4096, example = "client_name:shop",
            description = "The same without regard to case, for beginnings of words, all of which must be found."),
        ("search_engine" = Option<doc::SearchEngine>, Query, description = "go-auth0 sends it."),
        ("type" = Option<Vec<LogType>>, Query, style = Form, explode = false, min_items = 1,
            description = "Of one of these types, separated by commas; `sslo` and `fslo` are taken too."),
        ("client_id" = Option<ClientId>, Query, description = "About this client."),
        ("page" = Option<u32>, Query, minimum = 0, maximum = 1000, description = "Which page, from 0 (the default)."),
        ("per_page" = Option<u32>, Query, minimum = 0, maximum = 100,
            description = "How many entries a page has at the most; 50 by default."),
        ("include_totals" = Option<bool>, Query, description = "Whether the answer says how many there are."),
        ("sort" = Option<doc::LogSort>, Query, description = "With `from` and `take` only `date:1`."),
        ("from" = Option<LogId>, Query, description = "The `log_id` of the last entry that was seen."),
        doc::Take,
        schema::FieldNames,
    ),
    responses(
        (status = 200, description = "Entries.", body = schema::LogList,
            headers(("Link" = String, description = "With `from` or `take`: where to go on (RFC 8288)."))),
        (status = 400, description = "`invalid_query_string`, `invalid_paging`. `search_too_broad`: so many entries \
            were looked at without an end; `message` says how far it got.", body = Error),
    )
)]
pub(super) async fn list(
    State(logs): State<Arc<dyn LogStore>>,
    State(AuditSubjects(users)): State<AuditSubjects>,
    State(clock): State<Arc<dyn Clock>>,
    _permit: ListPermit,
    mut query: Query,
) -> Result<Response, ApiError> {
    let wanted = Wanted::of(&mut query, users)?;
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
        let until = clock.now().saturating_sub(HOLD_BACK).expect("a std Duration has no calendar units");
        return from_checkpoint(&*logs, &wanted, &checkpoint, until).await;
    }
    let start = page.checked_mul(per_page).filter(|start| start.saturating_add(per_page) <= MAX_PAGED);
    let start = start.ok_or_else(|| ApiError::invalid_paging(page, MAX_PAGED))?;
    let order = order.unwrap_or(LogOrder::Newest);
    let page = logs.logs(&wanted.filter, order, start, per_page).await?;
    if let Some(stopped_at) = page.stopped_at {
        return Err(ApiError::search_too_broad(stopped_at));
    }
    let entries = wanted.shown(page.records);
    if !include_totals {
        return Ok(Json(entries).into_response());
    }
    let total = logs.log_count(&wanted.filter, MAX_PAGED).await?;
    let length = entries.len();
    Ok(Json(Page { start, limit: per_page, length, total, logs: entries }).into_response())
}

async fn from_checkpoint(
    logs: &dyn LogStore,
    wanted: &Wanted,
    checkpoint: &Checkpoint,
    until: Timestamp,
) -> Result<Response, ApiError> {
    let from = checkpoint.from.unwrap_or(LogId::FIRST);
    let LogPage { records, stopped_at } =
        logs.logs_after(&wanted.filter, from, until, checkpoint.take).await?;
    let next = match (stopped_at, records.last()) {
        // Every entry up to this time was searched.
        (Some(stopped_at), _) => LogId::new(stopped_at, Uuid::max()),
        (None, Some(last)) => last.entry.id,
        // After an empty page, continue from the same checkpoint.
        (None, None) => from,
    };
    let link = wanted.link(next, checkpoint.take);
    let mut response = Json(wanted.shown(records)).into_response();
    response.headers_mut().insert(LINK, link);
    Ok(response)
}

impl Wanted {
    /// Parses the parameters; entries must match all of them. `users`: whether entries name users.
    fn of(query: &mut Query, users: bool) -> Result<Self, ApiError> {
        let mut parameters = Vec::new();
        let mut filter = LogFilter::default();
        for (name, language) in [("q", Language::Query), ("search", Language::Search)] {
            let parsed =
                query.take(name, |text| q::parse(text, language, users).map(|it| (text.to_owned(), it)))?;
            if let Some((text, search)) = parsed {
                parameters.push((name, text));
                filter.and(search);
            }
        }
        query.take("search_engine", |name| if name == "v3" { Ok(()) } else { Err("must be v3") })?;
        let types = query.take("type", |text| text.split(',').map(known).collect::<Result<Vec<_>, _>>())?;
        if let Some(types) = types {
            parameters.push(("type", types.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(",")));
            filter.and(LogTerm::Type(types.into_iter().collect()).into());
        }
        if let Some(client_id) = query.take("client_id", str::parse::<ClientId>)? {
            filter.and(LogTerm::Text(LogField::ClientId, Pattern::exactly(client_id.as_str())).into());
            parameters.push(("client_id", client_id.into()));
        }
        let fields = Fields::of(query)?;
        parameters.extend(fields.parameters());
        Ok(Self { filter, fields, parameters, users })
    }

    fn shown(&self, records: Vec<LogRecord>) -> Vec<Map<String, Value>> {
        let view = |record| self.fields.of_entry(LogView::of(record, self.users));
        records.into_iter().map(view).collect()
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

fn known(name: &str) -> Result<LogType, String> {
    LogType::ALL.into_iter().find(|it| it.names().any(|known| known == name)).ok_or_else(|| {
        let names = LogType::ALL.map(|it| match it.older() {
            Some(older) => format!("{it} (or {older})"),
            None => it.to_string(),
        });
        format!("must be a list of {}", names.join(", "))
    })
}

/// Auth0 sorts by other members too; entries are kept in order of time.
fn order(text: &str) -> Result<LogOrder, &'static str> {
    match text {
        "date:1" => Ok(LogOrder::Oldest),
        "date:-1" => Ok(LogOrder::Newest),
        _ => Err("must be date:1 (the oldest first) or date:-1 (the newest first)"),
    }
}
