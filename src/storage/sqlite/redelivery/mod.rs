//! Redelivery: puts finished deliveries back into the queue, one or all that match a filter.

mod scan;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::columns::{Columns, hex, millis, to_json};
use super::rows::{DELIVERIES, REDELIVERY_JOBS, Rows};
use super::{SqliteStore, clients, deliveries, logs};
use crate::domain::delivery::State;
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::redelivery::{JobId, MAX_UNFINISHED_JOBS, RedeliveryJob, RedeliveryRefusal, TooManyJobs};
use crate::storage::records::DeliveryFilterRecord;
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

    async fn create_job(
        &self,
        job: RedeliveryJob,
    ) -> Result<std::result::Result<RedeliveryJob, TooManyJobs>> {
        // Checked before the deliveries are counted, and again in the transaction that stores the job.
        if unfinished(&mut *self.reader.acquire().await?).await? >= MAX_UNFINISHED_JOBS {
            return Ok(Err(TooManyJobs));
        }
        let job = scan::first_count(&mut *self.reader.acquire().await?, job).await?;
        let mut write = self.write().await?;
        if job.completed_at.is_none() && unfinished(&mut write).await? >= MAX_UNFINISHED_JOBS {
            write.rollback().await?;
            return Ok(Err(TooManyJobs));
        }
        sqlx::query(
            "INSERT INTO redelivery_jobs (id, filter, until, cursor, first, counted_to, matched, created_at, completed_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(job.id.0)
        .bind(to_json(&DeliveryFilterRecord::from(job.filter.clone())))
        .bind(job.until.0)
        .bind(job.cursor.map(|id| id.0))
        .bind(job.first.map(|id| id.0))
        .bind(job.counted_to.map(|id| id.0))
        .bind(i64::try_from(job.matched).unwrap_or(i64::MAX))
        .bind(millis(job.created_at))
        .bind(job.completed_at.map(millis))
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(Ok(job))
    }

    async fn job(&self, id: JobId) -> Result<Option<RedeliveryJob>> {
        let row = sqlx::query("SELECT * FROM redelivery_jobs WHERE id = ?")
            .bind(id.0)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(|row| self.rows.one(&REDELIVERY_JOBS, row, job)).transpose()
    }

    async fn unfinished_job(&self, after: Option<JobId>) -> Result<Option<JobId>> {
        // An id of another length cannot be read, and would be returned again and again.
        let row = sqlx::query(
            "SELECT id FROM redelivery_jobs WHERE completed_at IS NULL AND (?1 IS NULL OR id > ?1) AND length(id) = 16
             ORDER BY id LIMIT 1",
        )
        .bind(after.map(|id| id.0))
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| Columns(&row).plain("id").map(JobId)).transpose()
    }

    async fn advance_job(
        &self,
        id: JobId,
        limit: u32,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<JobProgress> {
        let row = sqlx::query("SELECT * FROM redelivery_jobs WHERE id = ? AND completed_at IS NULL")
            .bind(id.0)
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else { return Ok(JobProgress { clients: Vec::new(), complete: true }) };
        let job = self.rows.one(&REDELIVERY_JOBS, &row, job)?;
        // Scanned outside of the transaction, so that no writer waits for it.
        let step = scan::step(&mut *self.reader.acquire().await?, &job, limit).await?;

        let mut transaction = self.write().await?;
        let to_requeue = scan::still_matching(&mut transaction, &step.to_requeue, &job.filter).await?;
        requeue(&mut transaction, &self.rows, &to_requeue, expires_at, now).await?;
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let remembered = sqlx::query(
            "UPDATE redelivery_jobs SET cursor = ?1, redelivered = redelivered + ?2, skipped = skipped + ?3,
                 matched = matched + ?4, completed_at = ?5
             WHERE id = ?6 AND completed_at IS NULL AND cursor IS ?7",
        )
        .bind(step.cursor.0)
        .bind(count(to_requeue.len()))
        .bind(count(step.skipped + step.to_requeue.len() - to_requeue.len()))
        .bind(count(step.newly_counted))
        .bind(step.complete.then(|| millis(now)))
        .bind(id.0)
        .bind(job.cursor.map(|id| id.0))
        .execute(&mut *transaction)
        .await?;
        if remembered.rows_affected() == 0 {
            // Another process has advanced the job in the meantime.
            transaction.rollback().await?;
            return Ok(JobProgress { clients: Vec::new(), complete: false });
        }
        transaction.commit().await?;
        Ok(JobProgress { clients: step.clients, complete: step.complete })
    }
}

async fn unfinished(connection: &mut SqliteConnection) -> Result<u32> {
    let row = sqlx::query("SELECT COUNT(*) FROM redelivery_jobs WHERE completed_at IS NULL")
        .fetch_one(connection)
        .await?;
    Ok(row.try_get(0)?)
}

/// Puts finished deliveries back into the queue, with a schedule that starts over. The audit trail keeps their earlier
/// outcomes.
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
    let delivery = |column| -> Result<_> { Ok(columns.plain::<Option<uuid::Uuid>>(column)?.map(DeliveryId)) };
    Ok(RedeliveryJob {
        id: JobId(columns.plain("id")?),
        filter: columns.json::<DeliveryFilterRecord>("filter")?.into(),
        until: DeliveryId(columns.plain("until")?),
        cursor: delivery("cursor")?,
        first: delivery("first")?,
        counted_to: delivery("counted_to")?,
        matched: count("matched")?,
        redelivered: count("redelivered")?,
        skipped: count("skipped")?,
        created_at: columns.time("created_at")?,
        completed_at: columns.time_option("completed_at")?,
    })
}
