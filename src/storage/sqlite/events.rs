//! The `events` table: accepted events and their answers.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqlitePool};

use super::columns::{Columns, hex_bytes, millis, to_json};
use super::rows::{EVENTS, Rows};
use super::subject_ends::number;
use crate::domain::receipt::Receipt;
use crate::domain::session::EndNumber;
use crate::storage::records::ReceiptRecord;
use crate::storage::{
    AcceptedBefore, AcceptedElsewhere, AcceptedEvent, AnswerKey, EventDigest, EventKey, Known, Result,
};

/// The events with a source and id, of all reporters. `key` is the hash of these two and the reporter's key; rows from
/// before reporters were stored have the hash only.
const OF_SOURCE_AND_ID: &str = "SELECT events.key, reporter, digest, digest_version, end_number
     FROM json_each(?) AS wanted
     CROSS JOIN events ON events.key BETWEEN unhex(wanted.value) AND unhex(wanted.value || 'ffffffffffffffff')";

/// Finds the events that were accepted before, from the same reporter or from another one. One that cannot be read is an
/// error: its answer is unknown, and it must not be accepted again.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    rows: &Rows,
    keys: &BTreeSet<EventKey>,
    known: &mut Known,
) -> Result<()> {
    let mut wanted: HashMap<[u8; 16], Vec<&EventKey>> = HashMap::new();
    for key in keys {
        wanted.entry(hashed(key)).or_default().push(key);
    }
    let found = sqlx::query(OF_SOURCE_AND_ID)
        .bind(to_json(&wanted.keys().map(|hash| hex_bytes(hash)).collect::<Vec<_>>()))
        .fetch_all(connection)
        .await?;
    for row in &found {
        let (accepted, reporter) = rows.one(&EVENTS, row, read)?;
        let stored = &accepted.answer.0;
        let same_id = stored.first_chunk().and_then(|hash| wanted.get(hash));
        for key in same_id.into_iter().flatten() {
            if stored[16..] == key.reporter.key() {
                known.events.insert((*key).clone(), accepted.clone());
            } else {
                let elsewhere = known.elsewhere.entry((*key).clone()).or_default();
                elsewhere.push(AcceptedElsewhere { reporter: reporter.clone(), accepted: accepted.clone() });
            }
        }
    }
    Ok(())
}

/// An accepted event, and the name of its reporter.
fn read(row: &SqliteRow) -> Result<(AcceptedBefore, Option<String>)> {
    let columns = Columns(row);
    // A digest of another length becomes zeros, which equal no digest.
    let bytes = columns.plain::<Vec<u8>>("digest")?.try_into().unwrap_or_default();
    let digest = EventDigest { version: columns.plain("digest_version")?, bytes };
    let answer = AnswerKey(columns.plain("key")?);
    let end = columns.plain::<Option<i64>>("end_number")?.map(|number| EndNumber(number.unsigned_abs()));
    Ok((AcceptedBefore { digest, answer, end }, columns.plain("reporter")?))
}

/// What was answered to an event when it was accepted.
pub(super) async fn answer(reader: &SqlitePool, rows: &Rows, key: &AnswerKey) -> Result<Option<Receipt>> {
    let row = sqlx::query("SELECT key, receipt FROM events WHERE key = ?")
        .bind(&key.0)
        .fetch_optional(reader)
        .await?;
    let read = |row| Columns(row).json::<ReceiptRecord<'static>>("receipt").map(Receipt::from);
    row.as_ref().map(|row| rows.one(&EVENTS, row, read)).transpose()
}

/// Stores accepted events. An event that is stored already is replaced: it was accepted again, since its digest had been
/// computed by rules that no longer exist.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    events: &[(&EventKey, &AcceptedEvent)],
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT OR ROLLBACK INTO events (key, source, id, digest, receipt, received_at, reporter, digest_version,
             end_number)
         SELECT unhex(value ->> 0), value ->> 1, value ->> 2, unhex(value ->> 3), value ->> 4, value ->> 5,
             value ->> 6, value ->> 7, value ->> 8
         FROM json_each(?) WHERE true
         ON CONFLICT (key) DO UPDATE SET digest = excluded.digest, digest_version = excluded.digest_version,
             receipt = excluded.receipt, received_at = excluded.received_at, end_number = excluded.end_number",
    )
    .bind(to_json(&events.iter().map(|(key, accepted)| row(key, accepted, now)).collect::<Vec<_>>()))
    .execute(connection)
    .await?;
    Ok(())
}

fn row(key: &EventKey, accepted: &AcceptedEvent, now: Timestamp) -> impl Serialize {
    let (digest, receipt) =
        (hex_bytes(&accepted.digest.bytes), to_json(&ReceiptRecord::from(&accepted.receipt)));
    let stored = hex_bytes(&hashed(key)) + &hex_bytes(&key.reporter.key());
    let (reporter, version) = (key.reporter.label().to_owned(), accepted.digest.version);
    let end = accepted.end.map(number);
    (stored, &key.source, &key.id, digest, receipt, millis(now), reporter, version, end)
}

/// The first half of the SHA-256 of source and id: 128 bits resist collisions, accidental and deliberate.
fn hashed(key: &EventKey) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    // The separator is unambiguous: neither contains control characters.
    for part in [&key.source, "\0", &key.id] {
        context.update(part.as_bytes());
    }
    *context.finish().as_ref().first_chunk().expect("a SHA-256 digest has 32 bytes")
}
