//! Undoes what a request changed, if one of its events is refused.

use super::WorkingSet;
use crate::domain::ids::Sid;
use crate::domain::plan::KnownSession;

/// What is needed to undo the current request.
#[derive(Debug, Default)]
pub(super) struct UndoLog {
    /// Each session before its change.
    sessions: Vec<(Sid, Option<KnownSession>)>,
    lengths: Lengths,
}

/// The lengths of the lists when the request began.
#[derive(Debug, Default)]
struct Lengths {
    new_events: usize,
    deliveries: usize,
    renewed: usize,
    new_ends: usize,
    parts: usize,
    subject_recipients: usize,
}

impl UndoLog {
    /// Records how a session was before a change.
    pub(super) fn record(&mut self, sid: Sid, before: Option<KnownSession>) {
        self.sessions.push((sid, before));
    }
}

impl WorkingSet {
    /// Begins a request: [`Self::undo_request`] undoes what follows.
    pub(in crate::intake) fn begin_request(&mut self) {
        self.undo_log = UndoLog {
            sessions: Vec::new(),
            lengths: Lengths {
                new_events: self.new_events.len(),
                deliveries: self.deliveries.len(),
                renewed: self.renewed.len(),
                new_ends: self.new_ends.len(),
                parts: self.parts.len(),
                subject_recipients: self.subject_recipients.len(),
            },
        };
    }

    /// Undoes all that the request changed.
    pub(in crate::intake) fn undo_request(&mut self) {
        let UndoLog { mut sessions, lengths } = std::mem::take(&mut self.undo_log);
        while let Some((sid, before)) = sessions.pop() {
            match before {
                Some(session) => self.sessions.insert(sid, session),
                None => self.sessions.remove(&sid),
            };
        }
        for intent in self.deliveries.split_off(lengths.deliveries) {
            if let (None, Some(sub)) = (&intent.sid, &intent.sub) {
                self.waiting.remove(&intent.client_id, sub);
            }
        }
        self.renewed.truncate(lengths.renewed);
        self.parts.truncate(lengths.parts);
        self.subject_recipients.truncate(lengths.subject_recipients);
        for undone in self.new_ends.split_off(lengths.new_ends) {
            if let Some(ends) = self.unfinished.get_mut(&undone.end.sub) {
                ends.retain(|it| it.number != undone.end.number);
                if ends.is_empty() {
                    self.unfinished.remove(&undone.end.sub);
                }
            }
        }
        for key in self.new_events.split_off(lengths.new_events) {
            self.accepted.remove(&key);
        }
    }
}
