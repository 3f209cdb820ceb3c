//! Ends of all sessions of a user: the `subject_ends` and `subject_end_told` tables.

mod parts;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};

use super::columns::{Columns, json_list, millis, to_json};
use super::rows::{Rows, SUBJECT_END_TOLD, SUBJECT_ENDS};
use crate::domain::ids::{ClientId, Sub};
use crate::domain::session::{EndNumber, Ended, SubjectEnd};
use crate::storage::Result;

pub(super) use parts::{insert_parts, parts};

/// The first readable end of each of these users at or after the time.
pub(super) async fn since(
    connection: &mut SqliteConnection,
    rows: &Rows,
    wanted: &BTreeSet<(Sub, Timestamp)>,
) -> Result<HashMap<(Sub, Timestamp), Arc<SubjectEnd>>> {
    let times: Vec<_> = wanted.iter().map(|(sub, time)| (sub, millis(*time))).collect();
    let (times, wanted) = (to_json(&times), wanted.iter().collect::<Vec<_>>());
    let mut unreadable: Vec<i64> = Vec::new();
    loop {
        let found = sqlx::query(
            "SELECT wanted.key AS wanted, subject_ends.* FROM json_each(?1) AS wanted
             JOIN subject_ends ON number = (SELECT number FROM subject_ends
                 WHERE sub = wanted.value ->> 0 AND ended_at >= wanted.value ->> 1
                     AND number NOT IN (SELECT value FROM json_each(?2))
                 ORDER BY ended_at, number LIMIT 1)",
        )
        .bind(&times)
        .bind(to_json(&unreadable))
        .fetch_all(&mut *connection)
        .await?;
        let numbers: Vec<i64> = found.iter().map(|row| row.try_get("number")).collect::<sqlx::Result<_>>()?;
        let read = |row| {
            let index: i64 = Columns(row).plain("wanted")?;
            let of = wanted.get(usize::try_from(index).unwrap_or(usize::MAX)).copied();
            Ok(of.cloned().zip(Some(Arc::new(end(row)?))))
        };
        let ends: Vec<_> = rows.readable(&SUBJECT_ENDS, &found, read)?.into_iter().flatten().collect();
        if ends.len() == found.len() {
            return Ok(ends.into_iter().collect());
        }
        let readable: BTreeSet<i64> = ends.iter().map(|(_, end)| number(end.number)).collect();
        unreadable.extend(numbers.into_iter().filter(|it| !readable.contains(it)));
    }
}

/// The unfinished ends of these users, in order.
pub(super) async fn unfinished_of(
    connection: &mut SqliteConnection,
    rows: &Rows,
    subs: &BTreeSet<&str>,
) -> Result<Vec<Arc<SubjectEnd>>> {
    let found = sqlx::query(
        "SELECT * FROM subject_ends WHERE finished_at IS NULL AND sub IN (SELECT value FROM json_each(?))
         ORDER BY number",
    )
    .bind(to_json(subs))
    .fetch_all(&mut *connection)
    .await?;
    let mut ends = rows.readable(&SUBJECT_ENDS, &found, end)?;
    with_notified(connection, rows, &mut ends).await?;
    Ok(ends.into_iter().map(Arc::new).collect())
}

/// The next unfinished end after `after`, in round-robin order, of those without an earlier readable unfinished end of
/// the same user.
pub(super) async fn next_unfinished(
    connection: &mut SqliteConnection,
    rows: &Rows,
    after: EndNumber,
) -> Result<Option<SubjectEnd>> {
    let mut unreadable = Vec::new();
    loop {
        let mut found = first_unfinished(connection, number(after), &unreadable).await?;
        if found.is_none() {
            found = first_unfinished(connection, 0, &unreadable).await?;
        }
        let Some(row) = found else { return Ok(None) };
        let number = row.try_get("number")?;
        let mut next = rows.readable(&SUBJECT_ENDS, [&row], end)?;
        if next.is_empty() {
            // A later end of the same user may now be the next one.
            unreadable.push(number);
            continue;
        }
        with_notified(connection, rows, &mut next).await?;
        return Ok(next.pop());
    }
}

async fn first_unfinished(
    connection: &mut SqliteConnection,
    after: i64,
    unreadable: &[i64],
) -> Result<Option<SqliteRow>> {
    let found = sqlx::query(
        "SELECT * FROM subject_ends AS next
         WHERE finished_at IS NULL AND number > ?1 AND number NOT IN (SELECT value FROM json_each(?2))
             AND NOT EXISTS (SELECT 1 FROM subject_ends AS earlier
                 WHERE earlier.sub = next.sub AND earlier.finished_at IS NULL AND earlier.number < next.number
                     AND earlier.number NOT IN (SELECT value FROM json_each(?2)))
         ORDER BY number LIMIT 1",
    )
    .bind(after)
    .bind(to_json(&unreadable))
    .fetch_optional(connection)
    .await?;
    Ok(found)
}

/// Reads which clients got a token for all sessions of the user, for these ends.
async fn with_notified(
    connection: &mut SqliteConnection,
    rows: &Rows,
    ends: &mut [SubjectEnd],
) -> Result<()> {
    if ends.is_empty() {
        return Ok(());
    }
    let numbers: Vec<_> = ends.iter().map(|it| it.number).collect();
    let found = sqlx::query(
        "SELECT end_number, client_id, sub FROM subject_end_told
         WHERE end_number IN (SELECT value FROM json_each(?))",
    )
    .bind(to_json(&numbers))
    .fetch_all(connection)
    .await?;
    let read = |row| {
        let columns = Columns(row);
        let end = EndNumber(columns.plain::<i64>("end_number")?.unsigned_abs());
        Ok((end, (columns.parsed("client_id")?, columns.parsed("sub")?)))
    };
    for (number, recipient) in rows.readable(&SUBJECT_END_TOLD, &found, read)? {
        for end in ends.iter_mut().filter(|it| it.number == number) {
            end.notified.insert(recipient.clone());
        }
    }
    Ok(())
}

/// The last number that was assigned, including those of deleted ends.
pub(super) async fn last(connection: &mut SqliteConnection) -> Result<EndNumber> {
    let row = sqlx::query("SELECT seq FROM sqlite_sequence WHERE name = 'subject_ends'")
        .fetch_optional(connection)
        .await?;
    let last = row.map(|row| row.try_get::<i64, _>("seq")).transpose()?.unwrap_or_default();
    Ok(EndNumber(last.unsigned_abs()))
}

/// Stores ends.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    ends: &[(&SubjectEnd, bool)],
    now: Timestamp,
) -> Result<()> {
    let rows: Vec<_> = ends.iter().map(|(end, finished)| row(end, *finished, now)).collect();
    sqlx::query(
        "INSERT OR ROLLBACK INTO subject_ends (number, sub, ended_at, initiator, clients, exclude_clients,
             session_metadata, accepted_at, finished_at)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
             value ->> 8
         FROM json_each(?)",
    )
    .bind(to_json(&rows))
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks ends as finished.
pub(super) async fn finish(
    connection: &mut SqliteConnection,
    finished: &[EndNumber],
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "UPDATE OR ROLLBACK subject_ends SET finished_at = ?1
         WHERE number IN (SELECT value FROM json_each(?2)) AND finished_at IS NULL",
    )
    .bind(millis(now))
    .bind(to_json(&finished))
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM subject_end_told WHERE end_number IN (SELECT value FROM json_each(?))")
        .bind(to_json(&finished))
        .execute(connection)
        .await?;
    Ok(())
}

/// Stores which clients got a token for all sessions of the user, for unfinished ends.
pub(super) async fn insert_notified(
    connection: &mut SqliteConnection,
    notified: &[(EndNumber, &ClientId, &Sub)],
) -> Result<()> {
    sqlx::query(
        "INSERT OR IGNORE INTO subject_end_told (end_number, client_id, sub)
         SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)",
    )
    .bind(to_json(&notified))
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether every session that an end is about has ended.
pub(super) async fn is_finished(reader: &SqlitePool, end: EndNumber) -> Result<bool> {
    let unfinished = sqlx::query("SELECT 1 FROM subject_ends WHERE number = ? AND finished_at IS NULL")
        .bind(number(end))
        .fetch_optional(reader)
        .await?;
    Ok(unfinished.is_none())
}

/// A number as it is stored.
pub(super) fn number(end: EndNumber) -> i64 {
    i64::try_from(end.0).unwrap_or(i64::MAX)
}

fn row(end: &SubjectEnd, finished: bool, now: Timestamp) -> impl Serialize {
    (
        number(end.number),
        &end.sub,
        millis(end.ended.at),
        end.ended.initiator,
        to_json(&end.clients),
        json_list(&end.exclude_clients),
        to_json(&end.session_metadata),
        millis(now),
        finished.then(|| millis(now)),
    )
}

fn end(row: &SqliteRow) -> Result<SubjectEnd> {
    let columns = Columns(row);
    Ok(SubjectEnd {
        number: EndNumber(columns.plain::<i64>("number")?.unsigned_abs()),
        sub: columns.parsed("sub")?,
        ended: Ended { at: columns.time("ended_at")?, initiator: columns.parsed("initiator")? },
        clients: columns.json("clients")?,
        exclude_clients: columns.json("exclude_clients")?,
        session_metadata: columns.json("session_metadata")?,
        notified: BTreeSet::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite::test_support::store;

    #[tokio::test]
    async fn an_unreadable_end_blocks_no_other_end() {
        let (_folder, store) = store().await;
        let mut writer = store.writer.acquire().await.unwrap();
        for (sub, ended_at, initiator) in [
            ("carol", 10, "no-initiator"),
            ("dave", 10, "rp-logout"),
            ("carol", 20, "no-initiator"),
            ("carol", 30, "rp-logout"),
            ("carol", 40, "rp-logout"),
        ] {
            sqlx::query(
                "INSERT INTO subject_ends (sub, ended_at, initiator, clients, exclude_clients, session_metadata, accepted_at)
                 VALUES (?, ?, ?, '{}', '[]', '{}', 0)",
            )
            .bind(sub)
            .bind(ended_at)
            .bind(initiator)
            .execute(&mut *writer)
            .await
            .unwrap();
        }
        // In turn: 2 is dave's, 4 is the first of carol's that can be read.
        for (after, expected) in [(0, 2), (2, 4), (4, 2), (9, 2)] {
            let next = next_unfinished(&mut writer, &store.rows, EndNumber(after)).await.unwrap();
            assert_eq!(next.map(|end| end.number), Some(EndNumber(expected)), "after {after}");
        }

        let wanted =
            |sub: &str, millis| (sub.parse::<Sub>().unwrap(), Timestamp::from_millisecond(millis).unwrap());
        let all = [wanted("carol", 5), wanted("carol", 35), wanted("carol", 41), wanted("dave", 10)];
        let found = since(&mut writer, &store.rows, &all.iter().cloned().collect()).await.unwrap();
        let numbers = all.map(|wanted| found.get(&wanted).map(|end| end.number.0));
        assert_eq!(numbers, [Some(4), Some(5), None, Some(2)]);
    }
}
