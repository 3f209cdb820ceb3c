//! Read access to sessions, for operators and expiry. Only the intake changes them.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Result;
use crate::domain::ids::{Sid, Sub};
use crate::domain::session::{Session, SessionKey};

/// Read access to sessions.
#[async_trait]
pub trait SessionReader: Send + Sync + 'static {
    /// A session, whether it has ended or not.
    async fn session(&self, sid: &Sid) -> Result<Option<Session>>;

    /// The sessions of a user that have not ended, in the order of their keys, which is that of their first report: up to
    /// `limit` after `after`.
    async fn live_sessions_of(&self, sub: &Sub, after: Option<SessionKey>, limit: u32)
    -> Result<SessionPage>;

    /// Up to `limit` sessions that should have expired by `now` and have not ended, the longest overdue first.
    async fn expired_sessions(&self, now: Timestamp, limit: u32) -> Result<Vec<(Sid, SessionKey)>>;
}

/// A page of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<Session>,
    /// Whether there are more.
    pub more: bool,
}
