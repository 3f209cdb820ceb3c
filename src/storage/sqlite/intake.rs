//! The transaction in which events are accepted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::rows::Rows;
use super::write::Write;
use super::{SqliteStore, clients, deliveries, events, sessions, subject_ends};
use crate::domain::delivery::DeliverySummary;
use crate::domain::ids::{ClientId, Sub};
use crate::domain::plan::{KnownSession, Registration, WaitingSubjects};
use crate::domain::receipt::Receipt;
use crate::domain::session::{EndNumber, Session, SessionKey, SubjectEnd};
use crate::storage::{
    AnswerKey, Changes, IntakeStore, IntakeTransaction, Known, LeftToEnd, Part, Result, Wanted,
};

#[async_trait]
impl IntakeStore for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn IntakeTransaction>> {
        Ok(Box::new(SqliteIntake { transaction: self.write().await?, rows: Arc::clone(&self.rows) }))
    }

    async fn answer(&self, key: &AnswerKey) -> Result<Option<Receipt>> {
        events::answer(&self.reader, &self.rows, key).await
    }

    async fn is_finished(&self, end: EndNumber) -> Result<bool> {
        subject_ends::is_finished(&self.reader, end).await
    }

    async fn parts(&self, end: EndNumber) -> Result<Part> {
        subject_ends::parts(&self.reader, &self.rows, end).await
    }
}

struct SqliteIntake {
    transaction: Write,
    rows: Arc<Rows>,
}

#[async_trait]
impl IntakeTransaction for SqliteIntake {
    async fn load(&mut self, wanted: &Wanted) -> Result<Known> {
        let (connection, rows) = (&mut *self.transaction, &*self.rows);
        let mut known = Known::default();
        events::find(connection, rows, &wanted.events, &mut known).await?;
        let mut found = sessions::by_sid(connection, rows, &wanted.sids).await?;
        if !wanted.subs.is_empty() {
            let subs: Vec<_> = wanted.subs.iter().map(Sub::as_str).collect();
            let seen: BTreeSet<_> = found.iter().map(|session| session.key.0).collect();
            let (live, more_of) = sessions::live_of(connection, rows, &subs, wanted.sessions_of_each).await?;
            found.extend(live.into_iter().filter(|session| !seen.contains(&session.key.0)));
            known.subs = sessions::known_subs(connection, &subs).await?;
            known.more_of = more_of;
            known.last_end = subject_ends::last(connection).await?;
        }
        if !wanted.ends_since.is_empty() {
            known.ended_since = subject_ends::since(connection, rows, &wanted.ends_since).await?;
        }
        let live = found.iter().filter(|it| it.ended.is_none()).filter_map(|it| it.sub.as_ref());
        let subs: BTreeSet<_> = live.chain(&wanted.subs).chain(&wanted.ends_of).map(Sub::as_str).collect();
        if !subs.is_empty() {
            known.unfinished = subject_ends::unfinished_of(connection, rows, &subs).await?;
        }
        known.sessions = with_deliveries(connection, rows, found).await?;
        Ok(known)
    }

    async fn clients(&mut self, ids: &BTreeSet<ClientId>) -> Result<BTreeMap<ClientId, Registration>> {
        clients::registered(&mut self.transaction, &self.rows, ids).await
    }

    async fn waiting_subjects(&mut self, subs: &BTreeSet<Sub>) -> Result<WaitingSubjects> {
        deliveries::waiting_subjects(&mut self.transaction, &self.rows, subs).await
    }

    async fn unfinished_end(&mut self, after: EndNumber) -> Result<Option<SubjectEnd>> {
        subject_ends::next_unfinished(&mut self.transaction, &self.rows, after).await
    }

    async fn left_to_end(
        &mut self,
        end: &SubjectEnd,
        after: Option<SessionKey>,
        limit: u32,
    ) -> Result<LeftToEnd> {
        sessions::left_to_end(&mut self.transaction, &self.rows, end, after, limit).await
    }

    async fn store(&mut self, changes: &Changes<'_>, now: Timestamp) -> Result<()> {
        let Changes { sessions, deliveries, renewed, events, ends, parts, notified, finished } = changes;
        let connection = &mut *self.transaction;
        if !sessions.is_empty() {
            sessions::put(connection, sessions).await?;
        }
        if !deliveries.is_empty() {
            deliveries::insert(connection, deliveries).await?;
        }
        if !renewed.is_empty() {
            deliveries::renew(connection, renewed, now).await?;
        }
        if !events.is_empty() {
            events::insert(connection, events, now).await?;
        }
        if !ends.is_empty() {
            subject_ends::insert(connection, ends, now).await?;
        }
        if !parts.is_empty() {
            subject_ends::insert_parts(connection, parts).await?;
        }
        if !notified.is_empty() {
            subject_ends::insert_notified(connection, notified).await?;
        }
        if !finished.is_empty() {
            subject_ends::finish(connection, finished, now).await?;
        }
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.transaction.commit().await
    }
}

/// Adds their deliveries to sessions that have ended. Live sessions have none.
async fn with_deliveries(
    connection: &mut sqlx::SqliteConnection,
    rows: &Rows,
    sessions: Vec<Session>,
) -> Result<Vec<KnownSession>> {
    let ended: Vec<SessionKey> = sessions.iter().filter(|it| it.ended.is_some()).map(|it| it.key).collect();
    let mut deliveries_of: HashMap<SessionKey, Vec<DeliverySummary>> = HashMap::new();
    if !ended.is_empty() {
        for (key, delivery) in deliveries::of_sessions(connection, rows, &ended).await? {
            deliveries_of.entry(key).or_default().push(delivery);
        }
    }
    let with_deliveries = |session: Session| {
        let deliveries = deliveries_of.remove(&session.key).unwrap_or_default();
        KnownSession { session, deliveries }
    };
    Ok(sessions.into_iter().map(with_deliveries).collect())
}
