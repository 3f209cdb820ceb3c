//! The audit trail: operators' changes with their actors, and the outcomes of deliveries.
//!
//! Event codes and texts are Auth0's, so that tools for Auth0's logs can read these. Entries contain names, ids and
//! status codes; never bodies, secrets or metadata values, and the `sub` of a session's user only if the
//! configuration allows it.

mod change;
mod filter;
mod id;
mod outcome;
mod search;

pub use change::{Actor, Change, Channel};
pub use filter::LogFilter;
pub use id::{LogId, LogIdError};
pub use outcome::DeliveryOutcome;
pub use search::{LogField, LogSearch, LogTerm, Pattern};

use std::fmt;

use super::ids::{ClientId, Sub};

/// An entry's type: Auth0's event codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogType {
    /// A change by an operator that succeeded.
    Sapi,
    /// A change by an operator that was rejected or failed.
    Fapi,
    /// A logout token was delivered.
    LogoutSucceeded,
    /// The delivery of a logout token failed for good.
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

    /// Auth0's older code for the same type, which filters accept as well.
    pub const fn older(self) -> Option<&'static str> {
        match self {
            Self::Sapi | Self::Fapi => None,
            Self::LogoutSucceeded => Some("sslo"),
            Self::LogoutFailed => Some("fslo"),
        }
    }

    /// The names that filters accept for it.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.as_str()).chain(self.older())
    }

    /// The description that all entries of this type share, if they do.
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

/// An entry of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its id, which contains its time.
    pub id: LogId,
    /// The client it is about, if any.
    pub client_id: Option<ClientId>,
    /// The user it is about: the OP's `sub`, which is personal data. For a change it is stored only if the
    /// configuration allows it; for an outcome it is looked up when the entry is read.
    pub user_id: Option<Sub>,
    /// What happened.
    pub event: LogEvent,
}

/// An entry's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// A change by an operator, or an attempt at one.
    Change(Box<Change>),
    /// The outcome of a delivery.
    Outcome(DeliveryOutcome),
}

impl LogEntry {
    /// Its type.
    pub fn log_type(&self) -> LogType {
        match &self.event {
            LogEvent::Change(change) if change.succeeded => LogType::Sapi,
            LogEvent::Change(_) => LogType::Fapi,
            LogEvent::Outcome(outcome) if outcome.succeeded() => LogType::LogoutSucceeded,
            LogEvent::Outcome(_) => LogType::LogoutFailed,
        }
    }
}
