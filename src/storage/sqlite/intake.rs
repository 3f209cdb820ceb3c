//! The transaction in which events are accepted.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Sqlite, Transaction};

use super::{SqliteStore, clients, deliveries, events, sessions};
use crate::domain::event::Event;
use crate::domain::ids::{ClientId, Sid, Sub};
use crate::domain::plan::{KnownSession, Plan, Registration};
use crate::domain::session::Session;
use crate::storage::{AcceptedEvent, IntakeStore, IntakeTransaction, Result};

#[async_trait]
impl IntakeStore for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn IntakeTransaction>> {
        Ok(Box::new(SqliteIntake { transaction: self.write().await?, marked: false }))
    }
}

struct SqliteIntake {
    transaction: Transaction<'static, Sqlite>,
    marked: bool,
}

impl SqliteIntake {
    async fn with_deliveries(&mut self, session: Session) -> Result<KnownSession> {
        // A session that lives has none: they arise from its end.
        let deliveries = match session.ended {
            Some(_) => deliveries::of_session(&mut self.transaction, session.key).await?,
            None => Vec::new(),
        };
        Ok(KnownSession { session, deliveries })
    }
}

#[async_trait]
impl IntakeTransaction for SqliteIntake {
    async fn mark(&mut self) -> Result<()> {
        if self.marked {
            sqlx::query("RELEASE intake").execute(&mut *self.transaction).await?;
        }
        sqlx::query("SAVEPOINT intake").execute(&mut *self.transaction).await?;
        self.marked = true;
        Ok(())
    }

    async fn undo_to_mark(&mut self) -> Result<()> {
        sqlx::query("ROLLBACK TO intake").execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn accepted(&mut self, source: &str, id: &str) -> Result<Option<AcceptedEvent>> {
        events::accepted(&mut self.transaction, source, id).await
    }

    async fn session(&mut self, sid: &Sid) -> Result<Option<KnownSession>> {
        match sessions::by_sid(&mut self.transaction, sid).await? {
            Some(session) => Ok(Some(self.with_deliveries(session).await?)),
            None => Ok(None),
        }
    }

    async fn live_sessions(&mut self, sub: &Sub) -> Result<Vec<KnownSession>> {
        let live = sessions::live_of(&mut self.transaction, sub).await?;
        Ok(live.into_iter().map(|session| KnownSession { session, deliveries: Vec::new() }).collect())
    }

    async fn knows_subject(&mut self, sub: &Sub) -> Result<bool> {
        sessions::any_of(&mut self.transaction, sub).await
    }

    async fn clients(&mut self, ids: &BTreeSet<ClientId>) -> Result<BTreeMap<ClientId, Registration>> {
        clients::registered(&mut self.transaction, ids).await
    }

    async fn store(
        &mut self,
        event: &Event,
        accepted: &AcceptedEvent,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<()> {
        for session in &plan.sessions {
            sessions::put(&mut self.transaction, session, now).await?;
        }
        for intent in &plan.deliveries {
            deliveries::insert(&mut self.transaction, intent).await?;
        }
        events::insert(&mut self.transaction, event, accepted, now).await
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        Ok(self.transaction.commit().await?)
    }
}
