//! When an event happened, and how it compares with other reports of the same session.

use jiff::Timestamp;

use super::CLOCK_TOLERANCE;
use crate::domain::event::SessionTerminated;
use crate::domain::session::{Ended, Session};
use crate::domain::time::{after, normalized};

/// The time of an event or command.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventTime {
    /// By the source's clock, which orders the source's own events; otherwise when the event arrived.
    pub(super) at: Timestamp,
    /// Whether the source reported it, and not further ahead than [`CLOCK_TOLERANCE`]. Otherwise events count in the
    /// order of their arrival.
    is_reported: bool,
}

impl EventTime {
    pub(super) fn new(reported: Option<Timestamp>, now: Timestamp) -> Self {
        let plausible = reported.map(normalized).filter(|time| *time <= after(now, CLOCK_TOLERANCE));
        Self { at: plausible.unwrap_or(now), is_reported: plausible.is_some() }
    }

    /// The time by which this report is ordered among those of a session. A report without a time is newer than every
    /// earlier arrival, even if those came from a clock that is ahead.
    pub(super) fn among_reports_of(self, session: &Session) -> Timestamp {
        if self.is_reported { self.at } else { self.at.max(session.last_reported_at()) }
    }

    /// The end that a termination at this time means.
    pub(super) fn end(self, event: &SessionTerminated) -> Ended {
        Ended { at: self.at, initiator: event.initiator }
    }

    /// Whether `end` happened after this although it arrived first. At the same instant it did: a logout too many is
    /// better than one too few.
    pub(super) fn is_overtaken_by(self, end: Option<Timestamp>) -> bool {
        self.is_reported && end.is_some_and(|end| self.at <= end)
    }
}
