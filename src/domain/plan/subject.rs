//! The end of every session of a user: what is planned at once, what is left for later, and who is told by a token
//! about the user instead of one about each session.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::{
    KnownSession, Loaded, Moment, Plan, Planner, Refusal, Renewal, Situation, add_participants, needs_sid,
};
use crate::domain::client::SubjectLogout;
use crate::domain::delivery::DeliverySummary;
use crate::domain::event::{NamedClients, SessionTerminated};
use crate::domain::ids::{ClientId, Sub};
use crate::domain::metadata::SessionMetadata;
use crate::domain::pairwise::ToldSub;
use crate::domain::session::{Ended, Session, SubjectEnd};

/// Deliveries with a `sub` alone that are pending, by their client and `sub`. The token of one will mean every session
/// there is by then.
#[derive(Clone, Debug, Default)]
pub struct WaitingSubjects(HashMap<(ClientId, Sub), DeliverySummary>);

impl FromIterator<(Sub, DeliverySummary)> for WaitingSubjects {
    fn from_iter<I: IntoIterator<Item = (Sub, DeliverySummary)>>(found: I) -> Self {
        let mut waiting = Self::default();
        for (sub, delivery) in found {
            waiting.insert(sub, delivery);
        }
        waiting
    }
}

impl WaitingSubjects {
    /// Adds one.
    pub fn insert(&mut self, sub: Sub, delivery: DeliverySummary) {
        self.0.insert((delivery.client_id.clone(), sub), delivery);
    }

    /// Takes one out.
    pub fn remove(&mut self, client_id: &ClientId, sub: &Sub) {
        self.0.remove(&(client_id.clone(), sub.clone()));
    }

    fn get(&self, key: &(ClientId, Sub)) -> Option<&DeliverySummary> {
        self.0.get(key)
    }
}

/// Ends sessions of a user that an earlier end of all of them is about, as many as there is room for. `told` are those
/// whom tokens about the user told of it already.
pub fn plan_rest(
    end: &SubjectEnd,
    told: BTreeSet<(ClientId, Sub)>,
    situation: Situation<'_>,
    new_id: &mut dyn FnMut() -> Uuid,
) -> Plan {
    let (mut planner, known) = Planner::new(situation, new_id);
    planner.told_subjects = told;
    // The end was accepted: nobody is left to refuse it to.
    planner.all_or_none = false;
    let Ok(()) = planner.end_sessions(known, end) else { unreachable!("nothing is refused any more") };
    planner.plan
}

impl Planner<'_> {
    pub(super) fn subject_terminated(
        &mut self,
        event: &SessionTerminated,
        moment: Moment,
        sub: &Sub,
        known: Loaded,
    ) -> Result<(), Refusal> {
        let is_unknown = known.sessions.is_empty() && !known.more_sessions;
        // Whoever ends the sessions of somebody who has none has what was wanted; a source is told that it may have
        // meant another one.
        if is_unknown && event.clients.is_empty() && !known.subject_known && self.all_or_none {
            return Err(Refusal::UnknownSubject);
        }
        let ended = moment.end(event);
        let (strangers, named) = self.strangers(event, &known.sessions);
        let to_tell = |it: &&ClientId| {
            !event.exclude_clients.contains(*it) && self.recipient(it, ended.initiator).is_some()
        };
        if is_unknown && let Some(client_id) = named.keys().find(to_tell) {
            return Err(Refusal::NoIdentifier { client_id: client_id.clone(), needs: "sid" });
        }
        let end = SubjectEnd {
            number: self.next_end,
            sub: sub.clone(),
            ended,
            clients: named,
            exclude_clients: event.exclude_clients.clone(),
            session_metadata: event.session_metadata.clone(),
            told: BTreeSet::new(),
        };
        self.end_sessions(known, &end)?;
        for (client_id, own_sub) in &strangers {
            if !end.exclude_clients.contains(client_id)
                && self.recipient(client_id, ended.initiator).is_some()
            {
                let told = self
                    .sub_for(client_id, own_sub.as_ref(), Some(sub))
                    .ok_or_else(|| Refusal::NoIdentifier { client_id: client_id.clone(), needs: "sub" })?;
                self.deliver_for_subject(client_id, ended, told, &end.session_metadata)?;
            }
        }
        self.plan.subject_end = Some(end);
        Ok(())
    }

    /// Whom an end names beside the participants hears of the user, not of a session it may not know; unless its
    /// tokens must have a `sid`: those are told of each session.
    fn strangers(
        &self,
        event: &SessionTerminated,
        sessions: &[KnownSession],
    ) -> (NamedClients, NamedClients) {
        let taking_part: HashSet<_> = sessions.iter().flat_map(|it| it.session.participants.keys()).collect();
        event.clients.clone().into_iter().partition(|(client_id, _)| {
            !needs_sid(&self.clients[client_id].client) && !taking_part.contains(client_id)
        })
    }

    fn end_sessions(&mut self, known: Loaded, end: &SubjectEnd) -> Result<(), Refusal> {
        self.plan.more = known.more_sessions;
        for known in known.sessions {
            if self.is_full() {
                self.plan.more = true;
                break;
            }
            self.plan.sids.push(known.session.sid.clone());
            self.end_by_subject(known, end)?;
        }
        Ok(())
    }

    /// Ends a session because all of its user's did.
    pub(super) fn end_by_subject(&mut self, known: KnownSession, end: &SubjectEnd) -> Result<(), Refusal> {
        let KnownSession { mut session, deliveries } = known;
        add_participants(&mut session, &end.clients, end.ended.at);
        self.tell_as_subject(&mut session, end)?;
        let known = KnownSession { session, deliveries };
        self.end(known, end.ended, &end.exclude_clients, &end.session_metadata)
    }

    /// Tells the participants that want one token about the user instead of one about each session.
    fn tell_as_subject(&mut self, session: &mut Session, end: &SubjectEnd) -> Result<(), Refusal> {
        let participants: Vec<ClientId> = session.participants.keys().cloned().collect();
        for client_id in participants {
            let as_subject = self
                .recipient(&client_id, end.ended.initiator)
                .is_some_and(|client| client.subject_logout == SubjectLogout::Sub);
            if as_subject && !end.exclude_clients.contains(&client_id) {
                // Every session of this user has a `sub`: that is how it was found. A client that may not
                // know it is told of the session instead.
                let own = session.own_sub(&client_id);
                let Some(sub) = self.sub_for(&client_id, own, session.sub.as_ref()) else { continue };
                // No session's metadata: the token is about all of them.
                if self.deliver_for_subject(&client_id, end.ended, sub, &SessionMetadata::default())? {
                    session.decided.insert(client_id);
                }
            }
        }
        Ok(())
    }

    /// Plans a delivery with a `sub` alone, as [`Self::deliver`] does. One for the same user that waits already tells
    /// of this end too.
    fn deliver_for_subject(
        &mut self,
        client_id: &ClientId,
        ended: Ended,
        told: ToldSub,
        metadata: &SessionMetadata,
    ) -> Result<bool, Refusal> {
        let key = (client_id.clone(), told.sub.clone());
        if self.told_subjects.contains(&key) {
            return Ok(true);
        }
        match self.waiting.get(&key) {
            Some(waiting) => {
                self.plan.existing.push(waiting.clone());
                let chosen = &self.clients[client_id].client.session_metadata;
                self.plan.renewed.push(Renewal {
                    id: waiting.id,
                    client_id: client_id.clone(),
                    initiator: ended.initiator,
                    session_metadata: metadata.chosen(chosen),
                    expires_at: self.expires_at(),
                });
            }
            None if !self.deliver(client_id, ended.initiator, None, Some(told), metadata)? => {
                return Ok(false);
            }
            None => {}
        }
        self.told_subjects.insert(key.clone());
        self.plan.told.push(key);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::State;
    use crate::domain::ids::DeliveryId;

    #[test]
    fn tokens_that_wait_are_found_by_client_and_sub() {
        let shop: ClientId = "shop".parse().unwrap();
        let sub = |text: &str| -> Sub { text.parse().unwrap() };
        let delivery = DeliverySummary {
            id: DeliveryId(Uuid::from_u128(77)),
            client_id: "shop".parse().unwrap(),
            state: State::Pending,
        };
        let mut waiting: WaitingSubjects = [(sub("alice"), delivery.clone())].into_iter().collect();
        let key = |client: &str, of: &str| -> (ClientId, Sub) { (client.parse().unwrap(), sub(of)) };
        assert_eq!(waiting.get(&key("shop", "alice")), Some(&delivery));
        assert_eq!((waiting.get(&key("shop", "bob")), waiting.get(&key("blog", "alice"))), (None, None));
        waiting.remove(&shop, &sub("bob"));
        assert!(waiting.get(&key("shop", "alice")).is_some());
        waiting.remove(&shop, &sub("alice"));
        assert_eq!(waiting.get(&key("shop", "alice")), None);
    }
}
