//! What is to be stored of a group of requests.

use std::collections::HashMap;

use super::WorkingSet;
use crate::domain::delivery::Intent;
use crate::domain::ids::ClientId;
use crate::storage::{Changes, Lease};

impl WorkingSet {
    /// The client of each new delivery that may be attempted at once: those of a disabled client wait.
    pub(in crate::intake) fn attemptable_clients(&self) -> Vec<&ClientId> {
        self.deliveries.iter().filter(|it| self.is_enabled(&it.client_id)).map(|it| &it.client_id).collect()
    }

    /// The lease of each new delivery, given the leases of those that may be attempted at once.
    pub(in crate::intake) fn assign_leases(&self, leases: Vec<Option<Lease>>) -> Vec<Option<Lease>> {
        let mut leases = leases.into_iter();
        let assign = |intent: &Intent| {
            if self.is_enabled(&intent.client_id) { leases.next().flatten() } else { None }
        };
        self.deliveries.iter().map(assign).collect()
    }

    fn is_enabled(&self, client_id: &ClientId) -> bool {
        self.clients.get(client_id).is_some_and(|it| it.client.enabled)
    }

    /// All that is to be stored, with the lease of each new delivery.
    pub(in crate::intake) fn changes(&self, leases: &[Option<Lease>]) -> Changes<'_> {
        // A session that only a refused request made is not in `sessions` any more; one that it changed is as before.
        let sessions = self.changed.iter().filter_map(|sid| self.sessions.get(sid)).map(|it| &it.session);
        let events = self.new_events.iter().filter_map(|key| Some((key, self.accepted.get(key)?)));
        // Of several renewals of one delivery the last counts.
        let renewed: HashMap<_, _> = self.renewed.iter().map(|it| (it.id, it)).collect();
        let recipients = self.subject_recipients.iter();
        Changes {
            sessions: sessions.collect(),
            deliveries: self.deliveries.iter().zip(leases.iter().copied()).collect(),
            renewed: renewed.into_values().collect(),
            events: events.collect(),
            ends: self.new_ends.iter().map(|it| (&*it.end, it.is_finished)).collect(),
            parts: self.parts.iter().map(|(end, part)| (*end, part)).collect(),
            notified: recipients.map(|(end, (client_id, sub))| (*end, client_id, sub)).collect(),
            finished: self.finished.clone(),
        }
    }
}
