//! The transaction in which events are accepted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use jiff::Timestamp;

use super::write::Write;
use super::{SqliteStore, clients, deliveries, events, sessions};
use crate::domain::delivery::DeliverySummary;
use crate::domain::ids::{ClientId, Sub};
use crate::domain::plan::{KnownSession, Registration, WaitingSubject};
use crate::domain::session::{Session, SessionKey};
use crate::storage::{Changes, IntakeStore, IntakeTransaction, Known, Result, Wanted};

#[async_trait]
impl IntakeStore for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn IntakeTransaction>> {
        Ok(Box::new(SqliteIntake { transaction: self.write().await? }))
    }
}

struct SqliteIntake {
    transaction: Write,
}

#[async_trait]
impl IntakeTransaction for SqliteIntake {
    async fn load(&mut self, wanted: &Wanted) -> Result<Known> {
        let connection = &mut *self.transaction;
        let mut known = Known::default();
        events::find(connection, &wanted.events, &mut known).await?;
        let mut found = sessions::by_sid(connection, &wanted.sids).await?;
        if !wanted.subs.is_empty() {
            let subs: Vec<_> = wanted.subs.iter().map(Sub::as_str).collect();
            let seen: BTreeSet<_> = found.iter().map(|session| session.key.0).collect();
            let live = sessions::live_of(connection, &subs).await?;
            found.extend(live.into_iter().filter(|session| !seen.contains(&session.key.0)));
            known.subs = sessions::known_subs(connection, &subs).await?;
        }
        // A session that lives has no deliveries: they arise from its end.
        let ended: Vec<SessionKey> = found.iter().filter(|it| it.ended.is_some()).map(|it| it.key).collect();
        let mut told: HashMap<SessionKey, Vec<DeliverySummary>> = HashMap::new();
        if !ended.is_empty() {
            for (key, delivery) in deliveries::of_sessions(connection, &ended).await? {
                told.entry(key).or_default().push(delivery);
            }
        }
        let with_deliveries = |session: Session| {
            let deliveries = told.remove(&session.key).unwrap_or_default();
            KnownSession { session, deliveries }
        };
        known.sessions = found.into_iter().map(with_deliveries).collect();
        Ok(known)
    }

    async fn clients(&mut self, ids: &BTreeSet<ClientId>) -> Result<BTreeMap<ClientId, Registration>> {
        clients::registered(&mut self.transaction, ids).await
    }

    async fn waiting_subjects(&mut self, subs: &BTreeSet<Sub>) -> Result<Vec<WaitingSubject>> {
        deliveries::waiting_subjects(&mut self.transaction, subs).await
    }

    async fn store(&mut self, changes: &Changes<'_>, now: Timestamp) -> Result<()> {
        let connection = &mut *self.transaction;
        if !changes.sessions.is_empty() {
            sessions::put(connection, &changes.sessions).await?;
        }
        if !changes.deliveries.is_empty() {
            deliveries::insert(connection, &changes.deliveries).await?;
        }
        if !changes.events.is_empty() {
            events::insert(connection, &changes.events, now).await?;
        }
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.transaction.commit().await
    }
}
