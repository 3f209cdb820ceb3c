//! Which entries are asked for.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{LogId, LogType};
use crate::domain::ids::ClientId;

/// Which entries. What is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Of one of these types; of none, if there are none.
    pub types: Option<BTreeSet<LogType>>,
    /// About this client.
    pub client_id: Option<ClientId>,
    /// The one with this id.
    pub id: Option<LogId>,
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub before: Option<Timestamp>,
}

impl LogFilter {
    /// Whether entries of this type are asked for.
    pub fn takes(&self, log_type: LogType) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(&log_type))
    }
}
