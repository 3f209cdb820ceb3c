//! The end of every session of a user: what is planned at once, what is left for later transactions, and which clients
//! get one token with the `sub` alone instead of one for each session.

use std::collections::{BTreeSet, HashSet};

use uuid::Uuid;

use super::event_time::EventTime;
use super::planner::{Loaded, Planner, add_participants, needs_sid};
use super::{Identifier, KnownSession, Plan, PlanInput, Refusal, Renewal};
use crate::domain::client::SubjectLogout;
use crate::domain::event::{NamedClients, SessionTerminated};
use crate::domain::ids::{ClientId, Sub};
use crate::domain::metadata::SessionMetadata;
use crate::domain::pairwise::ClientSub;
use crate::domain::session::{Ended, Session, SubjectEnd};

/// Continues an end that was accepted before: ends sessions of its user until the participant budget is used up.
/// `recipients` got tokens with a `sub` and no `sid` of it already.
pub fn plan_rest(
    end: &SubjectEnd,
    recipients: BTreeSet<(ClientId, Sub)>,
    input: PlanInput<'_>,
    new_id: &mut dyn FnMut() -> Uuid,
) -> Plan {
    let (mut planner, known) = Planner::new(input, new_id);
    planner.subject_recipients = recipients;
    // The end is accepted already and can no longer be refused.
    planner.refuse_unreachable = false;
    let Ok(()) = planner.end_sessions(known, end) else { unreachable!("nothing is refused any more") };
    planner.plan
}

impl Planner<'_> {
    pub(super) fn subject_terminated(
        &mut self,
        event: &SessionTerminated,
        time: EventTime,
        sub: &Sub,
        known: Loaded,
    ) -> Result<(), Refusal> {
        let is_unknown = known.sessions.is_empty() && !known.more_sessions;
        // A command for a user without sessions has its effect already. A source gets an error, since it may have meant
        // another user.
        if is_unknown && event.clients.is_empty() && !known.subject_known && self.refuse_unreachable {
            return Err(Refusal::UnknownSubject);
        }
        let ended = time.end(event);
        let (by_subject, by_session) = self.split_named(event, &known.sessions);
        let is_recipient = |it: &&ClientId| {
            !event.exclude_clients.contains(*it) && self.recipient(it, ended.initiator).is_some()
        };
        if is_unknown && let Some(client_id) = by_session.keys().find(is_recipient) {
            return Err(Refusal::NoIdentifier { client_id: client_id.clone(), needs: Identifier::Sid });
        }
        let end = SubjectEnd {
            number: self.next_end,
            sub: sub.clone(),
            ended,
            clients: by_session,
            exclude_clients: event.exclude_clients.clone(),
            session_metadata: event.session_metadata.clone(),
            notified: BTreeSet::new(),
        };
        self.end_sessions(known, &end)?;
        for (client_id, own_sub) in &by_subject {
            if !end.exclude_clients.contains(client_id)
                && self.recipient(client_id, ended.initiator).is_some()
            {
                let sub = self.sub_for(client_id, own_sub.as_ref(), Some(sub)).ok_or_else(|| {
                    Refusal::NoIdentifier { client_id: client_id.clone(), needs: Identifier::Sub }
                })?;
                self.deliver_for_subject(client_id, ended, sub, &end.session_metadata)?;
            }
        }
        self.plan.subject_end = Some(end);
        Ok(())
    }

    /// Splits the clients that an end names into those that get one token with the `sub` alone, and those that get one
    /// for each session. The former take part in none of the sessions: they may not know them. Tokens that need a `sid`
    /// are for each session anyway.
    fn split_named(
        &self,
        event: &SessionTerminated,
        sessions: &[KnownSession],
    ) -> (NamedClients, NamedClients) {
        let participants: HashSet<_> =
            sessions.iter().flat_map(|it| it.session.participants.keys()).collect();
        event.clients.clone().into_iter().partition(|(client_id, _)| {
            !needs_sid(&self.clients[client_id].client) && !participants.contains(client_id)
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
            self.end_with_subject(known, end)?;
        }
        Ok(())
    }

    /// Ends a session because all sessions of its user ended.
    pub(super) fn end_with_subject(&mut self, known: KnownSession, end: &SubjectEnd) -> Result<(), Refusal> {
        let KnownSession { mut session, deliveries } = known;
        add_participants(&mut session, &end.clients, end.ended.at);
        self.deliver_by_subject(&mut session, end)?;
        let known = KnownSession { session, deliveries };
        self.end(known, end.ended, &end.exclude_clients, &end.session_metadata)
    }

    /// Plans deliveries to the participants that chose one token with the `sub` alone over one for each session.
    fn deliver_by_subject(&mut self, session: &mut Session, end: &SubjectEnd) -> Result<(), Refusal> {
        let participants: Vec<ClientId> = session.participants.keys().cloned().collect();
        for client_id in participants {
            let by_subject = self
                .recipient(&client_id, end.ended.initiator)
                .is_some_and(|client| client.subject_logout == SubjectLogout::Sub);
            if by_subject && !end.exclude_clients.contains(&client_id) {
                // The session was found by its `sub`, so it has one. A client that may not know that `sub` gets a
                // token for the session instead.
                let own = session.own_sub(&client_id);
                let Some(sub) = self.sub_for(&client_id, own, session.sub.as_ref()) else { continue };
                // Without metadata: the token is about all sessions, and metadata is one session's.
                if self.deliver_for_subject(&client_id, end.ended, sub, &SessionMetadata::default())? {
                    session.decided.insert(client_id);
                }
            }
        }
        Ok(())
    }

    /// Plans a delivery with a `sub` and no `sid`, as [`Self::deliver`] does. A pending one for the same client and
    /// `sub` covers this end too and is renewed instead.
    fn deliver_for_subject(
        &mut self,
        client_id: &ClientId,
        ended: Ended,
        sub: ClientSub,
        metadata: &SessionMetadata,
    ) -> Result<bool, Refusal> {
        let key = (client_id.clone(), sub.sub.clone());
        if self.subject_recipients.contains(&key) {
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
            None if !self.deliver(client_id, ended.initiator, None, Some(sub), metadata)? => {
                return Ok(false);
            }
            None => {}
        }
        self.subject_recipients.insert(key.clone());
        self.plan.subject_recipients.push(key);
        Ok(true)
    }
}
