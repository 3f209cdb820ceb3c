//! The `sessions` table.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::columns::{Columns, hex, json_list, millis, to_json};
use super::session_details::{self, DetailsRecord};
use crate::domain::ids::{Sid, Sub};
use crate::domain::session::{Ended, Flow, Session, SessionKey};
use crate::storage::{Result, SessionPage, SessionReader};

#[async_trait]
impl SessionReader for SqliteStore {
    async fn session(&self, sid: &Sid) -> Result<Option<Session>> {
        let row = sqlx::query("SELECT * FROM sessions WHERE sid = ?")
            .bind(sid.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(session).transpose()
    }

    async fn live_sessions_of(
        &self,
        sub: &Sub,
        after: Option<SessionKey>,
        limit: u32,
    ) -> Result<SessionPage> {
        let rows = sqlx::query(
            "SELECT * FROM sessions WHERE sub = ?1 AND ended_at IS NULL AND (?2 IS NULL OR key > ?2)
             ORDER BY key LIMIT ?3",
        )
        .bind(sub.as_str())
        .bind(after.map(|key| key.0))
        // One more than asked for tells whether there are more.
        .bind(limit.saturating_add(1))
        .fetch_all(&self.reader)
        .await?;
        let mut sessions: Vec<Session> = rows.iter().map(session).collect::<Result<_>>()?;
        let more = sessions.len() > limit as usize;
        sessions.truncate(limit as usize);
        Ok(SessionPage { sessions, more })
    }

    async fn expired_sessions(&self, now: Timestamp, limit: u32) -> Result<Vec<(Sid, SessionKey)>> {
        let rows = sqlx::query(
            "SELECT sid, key FROM sessions WHERE ended_at IS NULL AND ends_at <= ? ORDER BY ends_at LIMIT ?",
        )
        .bind(millis(now))
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        let expired = rows.iter().map(|row| {
            let columns = Columns(row);
            Ok((columns.parsed("sid")?, SessionKey(columns.plain("key")?)))
        });
        expired.collect()
    }
}

/// The sessions of these `sid`s, ended or not.
pub(super) async fn by_sid(connection: &mut SqliteConnection, sids: &BTreeSet<Sid>) -> Result<Vec<Session>> {
    let rows = sqlx::query("SELECT * FROM sessions WHERE sid IN (SELECT value FROM json_each(?))")
        .bind(json_list(sids))
        .fetch_all(connection)
        .await?;
    rows.iter().map(session).collect()
}

/// The sessions of these `sub`s that have not ended.
pub(super) async fn live_of(connection: &mut SqliteConnection, subs: &[&str]) -> Result<Vec<Session>> {
    let rows = sqlx::query(
        "SELECT * FROM sessions WHERE sub IN (SELECT value FROM json_each(?)) AND ended_at IS NULL",
    )
    .bind(to_json(&subs))
    .fetch_all(connection)
    .await?;
    rows.iter().map(session).collect()
}

/// Those of these `sub`s of whom any session is known.
pub(super) async fn known_subs(connection: &mut SqliteConnection, subs: &[&str]) -> Result<BTreeSet<Sub>> {
    let rows = sqlx::query(
        "SELECT value AS sub FROM json_each(?) WHERE EXISTS (SELECT 1 FROM sessions WHERE sub = value)",
    )
    .bind(to_json(&subs))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Columns(row).parsed("sub")).collect()
}

/// Stores sessions in place of whatever their `sid`s meant before.
pub(super) async fn put(connection: &mut SqliteConnection, sessions: &[&Session]) -> Result<()> {
    let rows: Vec<_> = sessions.iter().map(|session| row(session)).collect();
    sqlx::query(
        "INSERT OR REPLACE INTO sessions (sid, key, sub, flow, session_metadata, participants, created_at,
             updated_at, authenticated_at, idle_expires_at, expires_at, ends_at, revision, ended_at, initiator,
             told_as_subject, details)
         SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
             value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13,
             value ->> 14, value ->> '$[15][0]', value ->> '$[15][1]'
         FROM json_each(?)",
    )
    .bind(to_json(&rows))
    .execute(connection)
    .await?;
    Ok(())
}

fn row(session: &Session) -> impl Serialize {
    (
        &session.sid,
        hex(session.key.0),
        &session.sub,
        session.flow.as_str(),
        to_json(&session.session_metadata),
        to_json(&session.participants),
        millis(session.created_at),
        millis(session.updated_at),
        session.authenticated_at.map(millis),
        session.idle_expires_at.map(millis),
        session.expires_at.map(millis),
        session.ends_at().map(millis),
        session.revision,
        session.ended.map(|ended| millis(ended.at)),
        session.ended.map(|ended| ended.initiator),
        // Together, because serde's tuples end at 16.
        (to_json(&session.told_as_subject), session_details::column(&session.details)),
    )
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
        details: columns.json_option::<DetailsRecord>("details")?.unwrap_or_default().into(),
        participants: columns.json("participants")?,
        created_at: columns.time("created_at")?,
        updated_at: columns.time("updated_at")?,
        authenticated_at: columns.time_option("authenticated_at")?,
        idle_expires_at: columns.time_option("idle_expires_at")?,
        expires_at: columns.time_option("expires_at")?,
        revision: columns.plain::<i64>("revision")?.unsigned_abs(),
        ended,
        told_as_subject: columns.json("told_as_subject")?,
    })
}
