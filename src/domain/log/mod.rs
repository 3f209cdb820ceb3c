//! The audit trail: what operators changed, who it was, and what came of each delivery.
//!
//! Event codes and texts are Auth0's, so that what reads its logs reads these. Entries hold names, ids and
//! status codes: never bodies, secrets, metadata values, or the `sub` of whoever's session it is.

mod change;
mod filter;
mod id;
mod outcome;

pub use change::{Actor, Asked, Change};
pub use filter::LogFilter;
pub use id::{LogId, LogIdError};
pub use outcome::Outcome;

use std::fmt;

use super::ids::ClientId;

/// What an entry is about: Auth0's event codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogType {
    /// A change by an operator.
    Sapi,
    /// One that was refused, or failed.
    Fapi,
    /// A logout token that its relying party took.
    Sslo,
    /// A logout token that was given up.
    Fslo,
}

impl LogType {
    /// Every code.
    pub const ALL: [Self; 4] = [Self::Sapi, Self::Fapi, Self::Sslo, Self::Fslo];

    /// Auth0's code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sapi => "sapi",
            Self::Fapi => "fapi",
            Self::Sslo => "sslo",
            Self::Fslo => "fslo",
        }
    }
}

impl fmt::Display for LogType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its id, which says when.
    pub id: LogId,
    /// The client it is about, if it is about one.
    pub client_id: Option<ClientId>,
    /// What happened.
    pub event: LogEvent,
}

/// What an entry tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// A change by an operator, or an attempt at one.
    Change(Box<Change>),
    /// What a delivery came to.
    Outcome(Outcome),
}

impl LogEntry {
    /// Its code.
    pub fn log_type(&self) -> LogType {
        match &self.event {
            LogEvent::Change(change) if change.succeeded => LogType::Sapi,
            LogEvent::Change(_) => LogType::Fapi,
            LogEvent::Outcome(outcome) if outcome.succeeded() => LogType::Sslo,
            LogEvent::Outcome(_) => LogType::Fslo,
        }
    }
}
