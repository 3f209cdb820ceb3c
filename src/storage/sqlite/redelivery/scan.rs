//! How a redelivery job finds deliveries: it scans the `deliveries` table in bounded pieces, outside of any transaction.

use sqlx::{QueryBuilder, Row, SqliteConnection};
use uuid::Uuid;

use crate::domain::delivery::DeliveryFilter;
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::redelivery::RedeliveryJob;
use crate::storage::Result;
use crate::storage::sqlite::columns::{Columns, hex, to_json};
use crate::storage::sqlite::deliveries;

/// The most deliveries of one scan, matching or not: about ten milliseconds' work.
const SCAN: u32 = 5_000;

/// The next step of a job.
pub(super) struct Step {
    pub(super) to_requeue: Vec<DeliveryId>,
    pub(super) clients: Vec<ClientId>,
    /// How many match and cannot be put back into the queue.
    pub(super) skipped: usize,
    /// How many match and were not counted when the job was created.
    pub(super) newly_counted: usize,
    /// The last delivery that was scanned.
    pub(super) cursor: DeliveryId,
    /// Whether all have been scanned.
    pub(super) complete: bool,
}

/// Counts the matches of a new job in a first scan. Without a match, the job continues after that scan; it is complete if
/// nothing is left.
pub(super) async fn first_count(
    connection: &mut SqliteConnection,
    mut job: RedeliveryJob,
) -> Result<RedeliveryJob> {
    let first = sqlx::query("SELECT id FROM deliveries WHERE id <= ? ORDER BY id LIMIT 1")
        .bind(job.until.0)
        .fetch_optional(&mut *connection)
        .await?;
    job.first = first.map(|row| row.try_get(0).map(DeliveryId)).transpose()?;
    job.counted_to = end_of_scan(connection, &job).await?;
    let mut query = QueryBuilder::new("SELECT COUNT(*) FROM (");
    push_scan(&mut query, &job, job.counted_to.unwrap_or(job.until));
    query.push(") WHERE matches");
    let matched: i64 = query.build().fetch_one(connection).await?.try_get(0)?;
    job.matched = matched.unsigned_abs();
    if job.matched == 0 {
        job.cursor = job.counted_to;
        job.completed_at = job.counted_to.is_none().then_some(job.created_at);
    }
    Ok(job)
}

/// Scans the next deliveries after a job's cursor, until `limit` match.
pub(super) async fn step(connection: &mut SqliteConnection, job: &RedeliveryJob, limit: u32) -> Result<Step> {
    let end = end_of_scan(connection, job).await?;
    let mut query = QueryBuilder::new(
        "SELECT id, client_id, client_id IN (SELECT client_id FROM clients WHERE subscribed) AS subscribed FROM (",
    );
    push_scan(&mut query, job, end.unwrap_or(job.until));
    query.push(") WHERE matches ORDER BY id LIMIT ").push_bind(limit);
    let rows = query.build().fetch_all(connection).await?;

    let full = rows.len() >= limit as usize;
    let mut step = Step {
        to_requeue: Vec::new(),
        clients: Vec::new(),
        skipped: 0,
        newly_counted: 0,
        cursor: end.unwrap_or(job.until),
        complete: end.is_none() && !full,
    };
    for row in &rows {
        let columns = Columns(row);
        let id = DeliveryId(columns.plain("id")?);
        if full {
            step.cursor = id;
        }
        if job.counted_to.is_some_and(|counted_to| id > counted_to) {
            step.newly_counted += 1;
        }
        match columns.parsed("client_id") {
            Ok(client_id) if columns.plain::<bool>("subscribed")? => {
                step.to_requeue.push(id);
                step.clients.push(client_id);
            }
            // A row that cannot be read is skipped.
            Ok(_) | Err(_) => step.skipped += 1,
        }
    }
    step.clients.sort();
    step.clients.dedup();
    Ok(step)
}

/// Those that can still be put back: they, or their client, may have been changed between the scan and this
/// transaction.
pub(super) async fn still_matching(
    connection: &mut SqliteConnection,
    ids: &[DeliveryId],
    filter: &DeliveryFilter,
) -> Result<Vec<DeliveryId>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query =
        QueryBuilder::new("SELECT id FROM deliveries WHERE id IN (SELECT unhex(value) FROM json_each(");
    query.push_bind(to_json(&ids.iter().map(|id| hex(id.0)).collect::<Vec<_>>()));
    query.push(
        ")) AND settled_at IS NOT NULL AND client_id IN (SELECT client_id FROM clients WHERE subscribed)",
    );
    if let Some(states) = &filter.states {
        // With a plus, so that no index on states is chosen instead of the ids.
        let states: Vec<_> = states.iter().map(|state| format!("'{state}'")).collect();
        query.push(format!(" AND +state IN ({})", states.join(", ")));
    }
    let rows = query.build().fetch_all(connection).await?;
    rows.iter().map(|row| Ok(DeliveryId(row.try_get(0)?))).collect()
}

/// The last delivery of a full scan; `None` if fewer are left.
async fn end_of_scan(connection: &mut SqliteConnection, job: &RedeliveryJob) -> Result<Option<DeliveryId>> {
    let row = sqlx::query("SELECT id FROM deliveries WHERE id > ? AND id <= ? ORDER BY id LIMIT 1 OFFSET ?")
        .bind(begin(job))
        .bind(job.until.0)
        .bind(SCAN - 1)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0).map(DeliveryId)).transpose()?)
}

/// A query for the next deliveries up to `end`, and whether each matches. The filter is an expression instead of a
/// condition, so that the planner follows the ids and reads no more than these.
fn push_scan(query: &mut QueryBuilder<sqlx::Sqlite>, job: &RedeliveryJob, end: DeliveryId) {
    query.push("SELECT id, client_id, (TRUE");
    deliveries::push_filter(query, &job.filter);
    query.push(") AS matches FROM deliveries WHERE id > ").push_bind(begin(job));
    query.push(" AND id <= ").push_bind(end.0);
    query.push(" ORDER BY id LIMIT ").push_bind(SCAN);
}

/// No delivery's id is the nil one.
fn begin(job: &RedeliveryJob) -> Uuid {
    job.cursor.map_or(Uuid::nil(), |id| id.0)
}
