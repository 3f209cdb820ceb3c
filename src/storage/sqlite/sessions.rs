//! The `sessions` table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::columns::{Columns, hex, json_list, millis, to_json};
use super::rows::{Page, Rows, SESSIONS};
use super::subject_ends::number;
use crate::domain::event::NamedClients;
use crate::domain::ids::{Sid, Sub};
use crate::domain::session::{EndNumber, Ended, Flow, Session, SessionKey, SubjectEnd};
use crate::storage::records::{DecidedRecord, MemberRecord, SessionDetailsRecord};
use crate::storage::{LeftToEnd, Result, SessionPage, SessionReader};

/// A user's live sessions, along the index from the beginning of the page. The first page begins at the nil UUID.
const LIVE_SESSIONS_OF: &str = "SELECT * FROM sessions WHERE sub = ?1 AND ended_at IS NULL AND key > ?2
     ORDER BY key LIMIT ?3 OFFSET ?4";

#[async_trait]
impl SessionReader for SqliteStore {
    async fn session(&self, sid: &Sid) -> Result<Option<Session>> {
        let row = sqlx::query("SELECT * FROM sessions WHERE sid = ?")
            .bind(sid.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(|row| self.rows.one(&SESSIONS, row, session)).transpose()
    }

    async fn live_sessions_of(
        &self,
        sub: &Sub,
        after: Option<SessionKey>,
        limit: u32,
    ) -> Result<SessionPage> {
        // One more than requested shows whether there are more.
        let mut page = Page::of(limit.saturating_add(1));
        let mut connection = self.lists.acquire().await?;
        while let Some((wanted, skip)) = page.wanted() {
            let rows = sqlx::query(LIVE_SESSIONS_OF)
                .bind(sub.as_str())
                .bind(after.map_or(uuid::Uuid::nil(), |key| key.0))
                .bind(wanted)
                .bind(skip)
                .fetch_all(&mut *connection)
                .await?;
            page.add(&self.rows, &SESSIONS, &rows, session)?;
        }
        let mut sessions = page.items;
        let more = sessions.len() > limit as usize;
        sessions.truncate(limit as usize);
        Ok(SessionPage { sessions, more })
    }

    async fn expired_sessions(&self, now: Timestamp, limit: u32) -> Result<Vec<(Sid, SessionKey)>> {
        // All columns are read, to leave out rows that are unreadable: these cannot be ended, and would make the whole
        // batch fail.
        let mut page = Page::of(limit);
        while let Some((wanted, skip)) = page.wanted() {
            let rows = sqlx::query(
                "SELECT * FROM sessions WHERE ended_at IS NULL AND ends_at <= ? ORDER BY ends_at LIMIT ? OFFSET ?",
            )
            .bind(millis(now))
            .bind(wanted)
            .bind(skip)
            .fetch_all(&self.reader)
            .await?;
            page.add(&self.rows, &SESSIONS, &rows, |row| session(row).map(|it| (it.sid, it.key)))?;
        }
        Ok(page.items)
    }
}

/// The sessions of these `sid`s, ended or not. One that cannot be read is an error: a report about it cannot be merged
/// with what is stored, and must not replace it.
pub(super) async fn by_sid(
    connection: &mut SqliteConnection,
    rows: &Rows,
    sids: &BTreeSet<Sid>,
) -> Result<Vec<Session>> {
    let found = sqlx::query("SELECT * FROM sessions WHERE sid IN (SELECT value FROM json_each(?))")
        .bind(json_list(sids))
        .fetch_all(connection)
        .await?;
    found.iter().map(|row| rows.one(&SESSIONS, row, session)).collect()
}

/// Sessions of these `sub`s that have not ended, up to `limit` of each, and the `sub`s that have more.
pub(super) async fn live_of(
    connection: &mut SqliteConnection,
    rows: &Rows,
    subs: &[&str],
    limit: u32,
) -> Result<(Vec<Session>, BTreeSet<Sub>)> {
    let found = sqlx::query(
        "SELECT sessions.* FROM json_each(?1) AS wanted JOIN sessions ON sessions.rowid IN
             (SELECT rowid FROM sessions WHERE sub = wanted.value AND ended_at IS NULL ORDER BY key LIMIT ?2)",
    )
    .bind(to_json(&subs))
    // One more than requested shows whether there are more.
    .bind(limit.saturating_add(1))
    .fetch_all(connection)
    .await?;
    let mut more_of = BTreeSet::new();
    let mut counts: HashMap<&str, u32> = HashMap::new();
    let mut within = Vec::with_capacity(found.len());
    for row in &found {
        // Unreadable rows count too, or there would seem to be no more.
        let sub: &str = Columns(row).plain("sub")?;
        let count = counts.entry(sub).or_default();
        *count += 1;
        if *count > limit {
            more_of.extend(Sub::try_from(sub.to_owned()));
        } else {
            within.push(row);
        }
    }
    Ok((rows.readable(&SESSIONS, within, session)?, more_of))
}

/// Up to `limit` sessions that an end has still to end. Those that cannot be read are left out.
pub(super) async fn left_to_end(
    connection: &mut SqliteConnection,
    rows: &Rows,
    end: &SubjectEnd,
    after: Option<SessionKey>,
    limit: u32,
) -> Result<LeftToEnd> {
    let found = sqlx::query(
        "SELECT * FROM sessions WHERE sub = ?1 AND ended_at IS NULL AND key > ?2 AND length(key) = 16
             AND (begun_after IS NULL OR begun_after < ?3)
         ORDER BY key LIMIT ?4",
    )
    .bind(end.sub.as_str())
    .bind(after.map_or(uuid::Uuid::nil(), |key| key.0))
    .bind(number(end.number))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let more = found.len() == limit as usize;
    let last = found.last().map(|row| Columns(row).plain("key").map(SessionKey)).transpose()?;
    Ok(LeftToEnd { sessions: rows.readable(&SESSIONS, &found, session)?, last, more })
}

/// Those of these `sub`s that have any session.
pub(super) async fn known_subs(connection: &mut SqliteConnection, subs: &[&str]) -> Result<BTreeSet<Sub>> {
    let rows = sqlx::query(
        "SELECT value AS sub FROM json_each(?) WHERE EXISTS (SELECT 1 FROM sessions WHERE sub = value)",
    )
    .bind(to_json(&subs))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Columns(row).parsed("sub")).collect()
}

/// Stores sessions; each replaces the session that had its `sid`.
pub(super) async fn put(connection: &mut SqliteConnection, sessions: &[&Session]) -> Result<()> {
    let rows: Vec<_> = sessions.iter().map(|session| row(session)).collect();
    sqlx::query(
        "INSERT OR REPLACE INTO sessions (sid, key, sub, flow, session_metadata, participants, created_at,
             updated_at, authenticated_at, idle_expires_at, expires_at, ends_at, revision, ended_at, initiator,
             ended_again_at, decided, reported, own_subs_reported, begun_after, details)
         SELECT value ->> '$[0][0]', unhex(value ->> '$[0][1]'), value ->> '$[0][2]', value ->> '$[0][3]',
             value ->> '$[0][4]', value ->> '$[0][5]', value ->> '$[0][6]', value ->> '$[0][7]',
             value ->> '$[0][8]', value ->> '$[0][9]', value ->> '$[0][10]', value ->> '$[0][11]',
             value ->> '$[0][12]', value ->> '$[1][0]', value ->> '$[1][1]', value ->> '$[1][2]',
             value ->> '$[1][3]', value ->> '$[1][4]', value ->> '$[1][5]', value ->> '$[1][6]',
             value ->> '$[1][7]'
         FROM json_each(?)",
    )
    .bind(to_json(&rows))
    .execute(connection)
    .await?;
    Ok(())
}

fn row(session: &Session) -> impl Serialize {
    let when_set = |map: String| (map != "{}").then_some(map);
    let reported: BTreeMap<_, _> =
        session.reported.iter().map(|(member, time)| (MemberRecord::from(*member), millis(*time))).collect();
    let own_subs: BTreeMap<_, _> =
        session.own_subs_reported.iter().map(|(client_id, time)| (client_id, millis(*time))).collect();
    let details =
        (!session.details.is_empty()).then(|| to_json(&SessionDetailsRecord::from(session.details.clone())));
    // Two tuples, since `serde` serializes tuples of up to 16 values.
    let beginning = (
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
    );
    let end = (
        session.ended.map(|ended| millis(ended.at)),
        session.ended.map(|ended| ended.initiator),
        session.ended_again_at.map(millis),
        to_json(&DecidedRecord::of(session)),
        when_set(to_json(&reported)),
        when_set(to_json(&own_subs)),
        session.begun_after.map(number),
        details,
    );
    (beginning, end)
}

fn session(row: &SqliteRow) -> Result<Session> {
    let columns = Columns(row);
    let ended = match columns.time_option("ended_at")? {
        Some(at) => Some(Ended { at, initiator: columns.parsed("initiator")? }),
        None => None,
    };
    let participants: NamedClients = columns.json("participants")?;
    let reported = columns.times::<MemberRecord>("reported")?;
    Ok(Session {
        key: SessionKey(columns.plain("key")?),
        sid: columns.parsed("sid")?,
        sub: columns.parsed_option("sub")?,
        flow: columns.word("flow", |word| Flow::ALL.into_iter().find(|flow| flow.as_str() == word))?,
        session_metadata: columns.json("session_metadata")?,
        details: columns.json_option::<SessionDetailsRecord>("details")?.unwrap_or_default().into(),
        created_at: columns.time("created_at")?,
        updated_at: columns.time("updated_at")?,
        authenticated_at: columns.time_option("authenticated_at")?,
        idle_expires_at: columns.time_option("idle_expires_at")?,
        expires_at: columns.time_option("expires_at")?,
        revision: columns.plain::<i64>("revision")?.unsigned_abs(),
        ended,
        ended_again_at: columns.time_option("ended_again_at")?,
        decided: columns.json::<DecidedRecord>("decided")?.clients(&participants),
        reported: reported.into_iter().map(|(member, time)| (member.into(), time)).collect(),
        own_subs_reported: columns.times("own_subs_reported")?,
        begun_after: columns.plain::<Option<i64>>("begun_after")?.map(|it| EndNumber(it.unsigned_abs())),
        participants,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite::test_support::{plan, store};

    #[tokio::test]
    async fn a_page_of_a_users_sessions_goes_along_the_index_from_where_it_begins() {
        let (_folder, store) = store().await;
        assert_eq!(
            plan(&store, LIVE_SESSIONS_OF).await,
            ["SEARCH sessions USING INDEX sessions_by_sub (sub=? AND ended_at=? AND key>?)"]
        );
    }
}
