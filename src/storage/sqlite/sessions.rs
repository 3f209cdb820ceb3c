//! The `sessions` table.

use jiff::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::columns::{Columns, millis, to_json};
use crate::domain::ids::{Sid, Sub};
use crate::domain::session::{Ended, Flow, Session, SessionKey};
use crate::storage::Result;

/// The session of this `sid`, ended or not.
pub(super) async fn by_sid(connection: &mut SqliteConnection, sid: &Sid) -> Result<Option<Session>> {
    let row = sqlx::query("SELECT * FROM sessions WHERE sid = ?")
        .bind(sid.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(session).transpose()
}

/// The sessions of this `sub` that have not ended, oldest first.
pub(super) async fn live_of(connection: &mut SqliteConnection, sub: &Sub) -> Result<Vec<Session>> {
    let rows =
        sqlx::query("SELECT * FROM sessions WHERE sub = ? AND ended_at IS NULL ORDER BY created_at, sid")
            .bind(sub.as_str())
            .fetch_all(connection)
            .await?;
    rows.iter().map(session).collect()
}

/// Whether any session of this `sub` is known.
pub(super) async fn any_of(connection: &mut SqliteConnection, sub: &Sub) -> Result<bool> {
    let row = sqlx::query("SELECT 1 FROM sessions WHERE sub = ? LIMIT 1")
        .bind(sub.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// Stores a session in place of whatever its `sid` meant before.
pub(super) async fn put(connection: &mut SqliteConnection, session: &Session, now: Timestamp) -> Result<()> {
    sqlx::query(
        "INSERT OR REPLACE INTO sessions (sid, key, sub, flow, session_metadata, participants, created_at,
             updated_at, expires_at, ended_at, initiator)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(session.sid.as_str())
    .bind(session.key.0)
    .bind(session.sub.as_ref().map(Sub::as_str))
    .bind(session.flow.as_str())
    .bind(to_json(&session.session_metadata))
    .bind(to_json(&session.participants))
    .bind(millis(session.created_at))
    .bind(millis(now))
    .bind(session.expires_at.map(millis))
    .bind(session.ended.map(|ended| millis(ended.at)))
    .bind(session.ended.map(|ended| ended.initiator.as_str()))
    .execute(connection)
    .await?;
    Ok(())
}

fn session(row: &SqliteRow) -> Result<Session> {
    let columns = Columns(row);
    let ended = match columns.time_option("ended_at")? {
        Some(at) => Some(Ended { at, initiator: columns.parsed("initiator")? }),
        None => None,
    };
    Ok(Session {
        key: SessionKey(columns.plain("key")?),
        sid: columns.parsed("sid")?,
        sub: columns.parsed_option("sub")?,
        flow: columns.word("flow", |word| Flow::ALL.into_iter().find(|flow| flow.as_str() == word))?,
        session_metadata: columns.json("session_metadata")?,
        participants: columns.json("participants")?,
        created_at: columns.time("created_at")?,
        expires_at: columns.time_option("expires_at")?,
        ended,
    })
}
