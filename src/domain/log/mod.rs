//! The audit trail: what operators changed, who it was, and what came of each delivery.
//!
//! Event codes and texts are Auth0's, so that what reads its logs reads these. Entries hold names, ids and
//! status codes: never bodies, secrets or metadata values, and the `sub` of whoever's session it is only where the
//! configuration says so.

mod change;
mod filter;
mod id;
mod outcome;
mod search;

pub use change::{Actor, Asked, Change};
pub use filter::LogFilter;
pub use id::{LogId, LogIdError};
pub use outcome::Outcome;
pub use search::{LogField, LogSearch, LogTerm, Pattern};

use std::fmt;

use super::ids::{ClientId, Sub};

/// What an entry is about: Auth0's event codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogType {
    /// A change by an operator.
    Sapi,
    /// One that was refused, or failed.
    Fapi,
    /// A logout token that its relying party took.
    LogoutSucceeded,
    /// A logout token that was given up.
    LogoutFailed,
}

impl LogType {
    /// Every code.
    pub const ALL: [Self; 4] = [Self::Sapi, Self::Fapi, Self::LogoutSucceeded, Self::LogoutFailed];

    /// Auth0's code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sapi => "sapi",
            Self::Fapi => "fapi",
            Self::LogoutSucceeded => "oidc_backchannel_logout_succeeded",
            Self::LogoutFailed => "oidc_backchannel_logout_failed",
        }
    }

    /// Auth0's older code for the same, which filters take too.
    pub const fn older(self) -> Option<&'static str> {
        match self {
            Self::Sapi | Self::Fapi => None,
            Self::LogoutSucceeded => Some("sslo"),
            Self::LogoutFailed => Some("fslo"),
        }
    }

    /// The names by which it can be asked for.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.as_str()).chain(self.older())
    }

    /// What an entry of this type says, where all of them say the same.
    pub const fn description(self) -> Option<&'static str> {
        match self {
            Self::Sapi | Self::Fapi => None,
            Self::LogoutSucceeded => Some("Successful OIDC Back-Channel Logout request"),
            Self::LogoutFailed => Some("Failed OIDC Back-Channel Logout request"),
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
    /// The user it is about: the OP's `sub`. It is personal data. Of a change it is kept only where the configuration
    /// has users named; of an outcome it is looked up when that is read.
    pub user_id: Option<Sub>,
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
            LogEvent::Outcome(outcome) if outcome.succeeded() => LogType::LogoutSucceeded,
            LogEvent::Outcome(_) => LogType::LogoutFailed,
        }
    }
}
