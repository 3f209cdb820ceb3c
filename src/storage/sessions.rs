//! Sessions as operators see them, and as the clock does. They are changed through the intake only.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Result;
use crate::domain::ids::{Sid, Sub};
use crate::domain::session::{Session, SessionKey};

/// Sessions as operators see them, and as the clock does.
#[async_trait]
pub trait SessionReader: Send + Sync + 'static {
    /// A session, ended or not.
    async fn session(&self, sid: &Sid) -> Result<Option<Session>>;

    /// The sessions of a user that have not ended, in the order they were first heard of: up to `limit` of
    /// those after `after`.
    async fn live_sessions_of(&self, sub: &Sub, after: Option<SessionKey>, limit: u32)
    -> Result<SessionPage>;

    /// Up to `limit` sessions whose lifetime has run out by `now` and that have not ended, the longest
    /// overdue first.
    async fn expired_sessions(&self, now: Timestamp, limit: u32) -> Result<Vec<(Sid, SessionKey)>>;
}

/// A part of a list of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<Session>,
    /// Whether there are more.
    pub more: bool,
}
