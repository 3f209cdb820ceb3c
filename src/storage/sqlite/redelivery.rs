//! Redelivery: finished deliveries put back into the queue, one or as many as match a filter.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, SqliteConnection};

use super::columns::{Columns, hex, millis, to_json};
use super::rows::{DELIVERIES, Page, REDELIVERY_JOBS, Rows};
use super::{SqliteStore, clients, deliveries, logs};
use crate::domain::delivery::State;
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::redelivery::{JobId, RedeliveryJob, RedeliveryRefusal};
use crate::storage::{JobProgress, RedeliveryStore, Result};

#[async_trait]
impl RedeliveryStore for SqliteStore {
    async fn redeliver(
        &self,
        id: DeliveryId,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<std::result::Result<ClientId, RedeliveryRefusal>>> {
        let mut transaction = self.write().await?;
        let row = sqlx::query("SELECT id, client_id, state FROM deliveries WHERE id = ?")
            .bind(id.0)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else {
            transaction.rollback().await?;
            return Ok(None);
        };
        let (client_id, state) = self.rows.one(&DELIVERIES, &row, |row| {
            let columns = Columns(row);
            Ok((columns.parsed::<ClientId>("client_id")?, deliveries::state(&columns)?))
        })?;
        match state {
            State::InFlight => {
                transaction.rollback().await?;
                return Ok(Some(Err(RedeliveryRefusal::InFlight)));
            }
            State::Pending => {
                sqlx::query("UPDATE deliveries SET due_at = ?1 WHERE id = ?2 AND due_at > ?1")
                    .bind(millis(now))
                    .bind(id.0)
                    .execute(&mut *transaction)
                    .await?;
            }
            State::Delivered | State::Rejected | State::Exhausted | State::Discarded => {
                let ids = [client_id.clone()].into();
                let registered = clients::registered(&mut transaction, &self.rows, &ids).await?;
                if !registered.get(&client_id).is_some_and(|it| it.subscribed) {
                    transaction.rollback().await?;
                    return Ok(Some(Err(RedeliveryRefusal::NotSubscribed(client_id))));
                }
                requeue(&mut transaction, &self.rows, &[id], expires_at, now).await?;
            }
        }
        transaction.commit().await?;
        Ok(Some(Ok(client_id)))
    }

    async fn create_job(&self, job: RedeliveryJob) -> Result<RedeliveryJob> {
        let mut query = QueryBuilder::new("SELECT COUNT(*) FROM deliveries WHERE id <= ");
        query.push_bind(job.until.0);
        deliveries::push_filter(&mut query, &job.filter);
        let matched: i64 = query.build().fetch_one(&self.reader).await?.try_get(0)?;
        let job = RedeliveryJob { matched: matched.unsigned_abs(), ..job };
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO redelivery_jobs (id, filter, until, matched, created_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(job.id.0)
        .bind(to_json(&job.filter))
        .bind(job.until.0)
        .bind(matched)
        .bind(millis(job.created_at))
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(job)
    }

    async fn job(&self, id: JobId) -> Result<Option<RedeliveryJob>> {
        let row = sqlx::query("SELECT * FROM redelivery_jobs WHERE id = ?")
            .bind(id.0)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(|row| self.rows.one(&REDELIVERY_JOBS, row, job)).transpose()
    }

    async fn unfinished_job(&self) -> Result<Option<RedeliveryJob>> {
        let mut page = Page::of(1);
        while let Some((wanted, skip)) = page.wanted() {
            let rows = sqlx::query(
                "SELECT * FROM redelivery_jobs WHERE completed_at IS NULL ORDER BY id LIMIT ? OFFSET ?",
            )
            .bind(wanted)
            .bind(skip)
            .fetch_all(&self.reader)
            .await?;
            page.add(&self.rows, &REDELIVERY_JOBS, &rows, job)?;
        }
        Ok(page.items.pop())
    }

    async fn advance_job(
        &self,
        id: JobId,
        limit: u32,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<JobProgress> {
        let mut transaction = self.write().await?;
        let row = sqlx::query("SELECT * FROM redelivery_jobs WHERE id = ? AND completed_at IS NULL")
            .bind(id.0)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else {
            transaction.rollback().await?;
            return Ok(JobProgress { clients: Vec::new(), complete: true });
        };
        let job = self.rows.one(&REDELIVERY_JOBS, &row, job)?;
        let step = step(&mut transaction, &self.rows, &job, limit).await?;
        requeue(&mut transaction, &self.rows, &step.to_requeue, expires_at, now).await?;
        let requeued = i64::try_from(step.to_requeue.len()).unwrap_or(i64::MAX);
        sqlx::query(
            "UPDATE redelivery_jobs SET cursor = coalesce(?, cursor), redelivered = redelivered + ?,
                 skipped = skipped + ?, completed_at = ? WHERE id = ?",
        )
        .bind(step.cursor.map(|id| id.0))
        .bind(requeued)
        .bind(step.skipped)
        .bind(step.cursor.is_none().then(|| millis(now)))
        .bind(id.0)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(JobProgress { clients: step.clients, complete: step.cursor.is_none() })
    }
}

/// What a step of a job is to do.
struct Step {
    to_requeue: Vec<DeliveryId>,
    clients: Vec<ClientId>,
    skipped: i64,
    /// The last delivery it looked at; `None` if there was none left.
    cursor: Option<DeliveryId>,
}

/// Looks at the next deliveries after a job's cursor: so many, whether they match or not, so that a step
/// takes the same time however rare a match is.
async fn step(
    connection: &mut SqliteConnection,
    rows: &Rows,
    job: &RedeliveryJob,
    limit: u32,
) -> Result<Step> {
    let mut query = QueryBuilder::new("SELECT id, client_id, (TRUE");
    deliveries::push_filter(&mut query, &job.filter);
    query.push(
        ") AS matches, client_id IN (SELECT client_id FROM clients WHERE subscribed) AS subscribed
         FROM deliveries WHERE length(id) = 16 AND id <= ",
    );
    query.push_bind(job.until.0);
    if let Some(cursor) = job.cursor {
        query.push(" AND id > ").push_bind(cursor.0);
    }
    query.push(" ORDER BY id LIMIT ").push_bind(limit);
    let found = query.build().fetch_all(connection).await?;

    let mut step = Step { to_requeue: Vec::new(), clients: Vec::new(), skipped: 0, cursor: None };
    for row in &found {
        let columns = Columns(row);
        let id = DeliveryId(columns.plain("id")?);
        step.cursor = Some(id);
        if !columns.plain::<bool>("matches")? {
            continue;
        }
        let client = rows.readable(&DELIVERIES, [row], |row| Columns(row).parsed("client_id"))?;
        if columns.plain::<bool>("subscribed")? && !client.is_empty() {
            step.to_requeue.push(id);
            step.clients.extend(client);
        } else {
            step.skipped += 1;
        }
    }
    step.clients.sort();
    step.clients.dedup();
    Ok(step)
}

/// Puts final deliveries back into the queue, with a schedule that starts anew. The audit trail keeps what
/// they had come to.
async fn requeue(
    connection: &mut SqliteConnection,
    rows: &Rows,
    ids: &[DeliveryId],
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    logs::keep_outcomes(connection, rows, ids).await?;
    sqlx::query(
        "UPDATE deliveries SET state = 'pending', settled_at = NULL, due_at = ?1, expires_at = ?2,
             failures = 0, redeliveries = redeliveries + 1
         WHERE id IN (SELECT unhex(value) FROM json_each(?3)) AND settled_at IS NOT NULL",
    )
    .bind(millis(now))
    .bind(millis(expires_at))
    .bind(to_json(&ids.iter().map(|id| hex(id.0)).collect::<Vec<_>>()))
    .execute(connection)
    .await?;
    Ok(())
}

fn job(row: &SqliteRow) -> Result<RedeliveryJob> {
    let columns = Columns(row);
    let count = |column| -> Result<u64> { Ok(columns.plain::<i64>(column)?.unsigned_abs()) };
    Ok(RedeliveryJob {
        id: JobId(columns.plain("id")?),
        filter: columns.json("filter")?,
        until: DeliveryId(columns.plain("until")?),
        cursor: columns.plain::<Option<uuid::Uuid>>("cursor")?.map(DeliveryId),
        matched: count("matched")?,
        redelivered: count("redelivered")?,
        skipped: count("skipped")?,
        created_at: columns.time("created_at")?,
        completed_at: columns.time_option("completed_at")?,
    })
}
