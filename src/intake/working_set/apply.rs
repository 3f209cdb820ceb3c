//! Applies plans: later requests of the group are planned against what earlier ones changed.

use std::collections::HashMap;
use std::sync::Arc;

use super::{NewEnd, WorkingSet};
use crate::domain::delivery::{DeliverySummary, Intent, State};
use crate::domain::plan::{KnownSession, Plan};
use crate::domain::receipt::Receipt;
use crate::domain::session::{EndNumber, SessionKey};
use crate::storage::{AcceptedEvent, EventKey, Part};

impl WorkingSet {
    /// Adds an event that was planned to the accepted ones.
    pub(in crate::intake) fn insert_accepted(&mut self, key: EventKey, accepted: AcceptedEvent) {
        self.new_events.push(key.clone());
        self.accepted.insert(key, accepted);
    }

    /// Applies a plan.
    pub(in crate::intake) fn apply(&mut self, plan: Plan) {
        let Plan { sessions, deliveries, renewed, subject_recipients, subject_end, more, .. } = plan;
        let mut of_session: HashMap<SessionKey, Vec<DeliverySummary>> = HashMap::new();
        for intent in &deliveries {
            if let Some(key) = intent.session_key {
                of_session.entry(key).or_default().push(summary(intent));
            }
        }
        for session in sessions {
            let mut all = of_session.remove(&session.key).unwrap_or_default();
            let before = self.sessions.get(&session.sid);
            if let Some(before) = before.filter(|it| it.session.key == session.key) {
                all.extend(before.deliveries.iter().cloned());
            }
            self.undo_log.record(session.sid.clone(), before.cloned());
            self.changed.insert(session.sid.clone());
            self.insert_session(KnownSession { session, deliveries: all });
        }
        for intent in &deliveries {
            if let (None, Some(sub)) = (&intent.sid, &intent.sub) {
                self.waiting.insert(sub.clone(), summary(intent));
            }
        }
        self.deliveries.extend(deliveries);
        self.renewed.extend(renewed);
        if let Some(end) = subject_end.map(Arc::new) {
            self.last_end = end.number;
            if more {
                let recipients = subject_recipients.into_iter().map(|recipient| (end.number, recipient));
                self.subject_recipients.extend(recipients);
                self.unfinished.entry(end.sub.clone()).or_default().push(Arc::clone(&end));
            }
            self.new_ends.push(NewEnd { end, is_finished: !more });
        }
    }

    /// Applies a plan that continues a subject end which was accepted before.
    pub(in crate::intake) fn apply_part(&mut self, end: EndNumber, plan: Plan) {
        self.parts.push((end, Part { sessions: plan.sids.clone(), deliveries: plan_deliveries(&plan) }));
        let recipients = plan.subject_recipients.iter().cloned().map(|recipient| (end, recipient));
        self.subject_recipients.extend(recipients);
        self.apply(plan);
    }

    /// Every session that a subject end covers has ended.
    pub(in crate::intake) fn finish(&mut self, end: EndNumber) {
        self.finished.push(end);
    }
}

/// The answer to an event.
pub(in crate::intake) fn receipt(event_id: &str, plan: &Plan) -> Receipt {
    Receipt { id: event_id.to_owned(), sessions: plan.sids.clone(), deliveries: plan_deliveries(plan) }
}

/// The deliveries of a plan: existing ones, and new ones.
pub(in crate::intake) fn plan_deliveries(plan: &Plan) -> Vec<DeliverySummary> {
    plan.existing.iter().cloned().chain(plan.deliveries.iter().map(summary)).collect()
}

fn summary(intent: &Intent) -> DeliverySummary {
    DeliverySummary { id: intent.id, client_id: intent.client_id.clone(), state: State::Pending }
}
