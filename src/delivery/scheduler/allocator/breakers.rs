//! The clients' circuit breakers.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Allocator;
use crate::domain::breaker::{Breaker, OpenBreaker};
use crate::domain::ids::ClientId;

impl Allocator {
    /// A breaker was open when an earlier process ended.
    pub(in crate::delivery::scheduler) fn restore_breaker(
        &mut self,
        client_id: &ClientId,
        breaker: OpenBreaker,
    ) {
        self.client(client_id).breaker = Breaker::Open(breaker);
    }

    /// A client's RP answered.
    pub(in crate::delivery::scheduler) fn answered(&mut self, client_id: &ClientId) {
        self.client(client_id).proven = true;
        self.change_breaker(client_id, Breaker::answered);
    }

    /// An attempt failed recoverably, with an HTTP answer or without. Returns whether that opened the client's
    /// breaker, for the first time or again.
    pub(in crate::delivery::scheduler) fn failed(
        &mut self,
        client_id: &ClientId,
        answered: bool,
        now: Timestamp,
        jitter: f64,
    ) -> bool {
        let rules = self.limits.breaker;
        let client = self.client(client_id);
        client.proven |= answered;
        let before = client.breaker.open_until();
        self.change_breaker(client_id, |breaker| breaker.failed(&rules, now, jitter));
        let after = self.client(client_id).breaker.open_until();
        after.is_some() && before != after
    }

    /// The breakers that opened or closed since this was last called, to be stored.
    pub(in crate::delivery::scheduler) fn take_changed_breakers(
        &mut self,
    ) -> BTreeMap<ClientId, Option<OpenBreaker>> {
        std::mem::take(&mut self.changed_breakers)
    }

    /// They could not be stored. What has changed since is newer.
    pub(in crate::delivery::scheduler) fn return_changed_breakers(
        &mut self,
        changed: BTreeMap<ClientId, Option<OpenBreaker>>,
    ) {
        for (client_id, breaker) in changed {
            self.changed_breakers.entry(client_id).or_insert(breaker);
        }
    }

    /// The breakers that are not closed, or have counted failures.
    pub(in crate::delivery::scheduler) fn breakers(&self) -> impl Iterator<Item = (&ClientId, Breaker)> {
        let counting = self.clients.iter().filter(|(_, client)| !client.breaker.is_healthy());
        counting.map(|(client_id, client)| (client_id, client.breaker))
    }

    fn change_breaker(&mut self, client_id: &ClientId, change: impl FnOnce(Breaker) -> Breaker) {
        let client = self.client(client_id);
        let before = client.breaker;
        let after = change(before);
        client.breaker = after;
        if before.open_until() != after.open_until() {
            let open = match after {
                Breaker::Closed { .. } => None,
                Breaker::Open(open) => Some(open),
            };
            self.changed_breakers.insert(client_id.clone(), open);
        }
    }
}
