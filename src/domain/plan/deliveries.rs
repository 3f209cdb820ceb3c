//! Who is told of an end: the deliveries that arise from it.

use std::collections::BTreeSet;

use super::{KnownSession, Planner, Refusal, Registration, WaitingSubject, add_participants, needs_sid};
use crate::domain::client::{Client, SubjectLogout, TokenSubject};
use crate::domain::delivery::{DeliverySummary, Intent};
use crate::domain::event::{NamedClients, SessionTerminated};
use crate::domain::ids::{ClientId, DeliveryId, Sid, Sub};
use crate::domain::initiator::Initiator;
use crate::domain::metadata::SessionMetadata;
use crate::domain::pairwise::ToldSub;
use crate::domain::session::{Ended, Session, SessionKey};

impl<'a> Planner<'a> {
    /// Tells the participants that want one token about the user instead of one about each session.
    pub(super) fn tell_as_subject(
        &mut self,
        session: &mut Session,
        event: &SessionTerminated,
        initiator: Initiator,
    ) -> Result<(), Refusal> {
        let participants: Vec<ClientId> = session.participants.keys().cloned().collect();
        for client_id in participants {
            let as_subject = self
                .recipient(&client_id, initiator)
                .is_some_and(|client| client.subject_logout == SubjectLogout::Sub);
            if as_subject && !event.exclude_clients.contains(&client_id) {
                // Every session of this user has a `sub`: that is how it was found. A client that may not
                // know it is told of the session instead.
                let own = session.own_sub(&client_id);
                let Some(sub) = self.sub_for(&client_id, own, session.sub.as_ref()) else { continue };
                // No session's metadata: the token is about all of them.
                self.deliver_for_subject(&client_id, initiator, sub, &SessionMetadata::default())?;
                session.told_as_subject.insert(client_id);
            }
        }
        Ok(())
    }

    /// Plans a delivery with a `sub` alone, unless one for the same user waits already or was just planned.
    pub(super) fn deliver_for_subject(
        &mut self,
        client_id: &ClientId,
        initiator: Initiator,
        told: ToldSub,
        metadata: &SessionMetadata,
    ) -> Result<(), Refusal> {
        let sub = &told.sub;
        let planned =
            |it: &Intent| it.sid.is_none() && it.client_id == *client_id && it.sub.as_ref() == Some(sub);
        if self.plan.deliveries.iter().any(planned) {
            return Ok(());
        }
        let waits = |it: &&WaitingSubject| it.delivery.client_id == *client_id && it.sub == *sub;
        if let Some(waiting) = self.waiting.iter().find(waits) {
            if !self.plan.existing.contains(&waiting.delivery) {
                self.plan.existing.push(waiting.delivery.clone());
            }
            return Ok(());
        }
        self.deliver(client_id, initiator, None, Some(told), metadata)
    }

    /// Ends a session, tells its participants and `named`, and stores it.
    pub(super) fn end(
        &mut self,
        known: KnownSession,
        event: &SessionTerminated,
        end: Ended,
        named: &NamedClients,
    ) -> Result<(), Refusal> {
        let KnownSession { mut session, deliveries } = known;
        // An end that was reported before keeps its time and initiator.
        session.ended.get_or_insert(end);
        // A termination is never refused for its metadata: what the OP reported earlier wins.
        if session.session_metadata.is_empty() && session.flow.carries_metadata() {
            session.session_metadata = event.session_metadata.clone();
        }
        add_participants(&mut session, named);
        self.store(session, deliveries, &event.exclude_clients)
    }

    /// Plans the session's row and, if it has ended, a delivery to each participant that has none yet.
    pub(super) fn store(
        &mut self,
        mut session: Session,
        deliveries: Vec<DeliverySummary>,
        exclude: &BTreeSet<ClientId>,
    ) -> Result<(), Refusal> {
        if let Some(ended) = session.ended {
            for client_id in session.participants.keys() {
                let told = session.told_as_subject.contains(client_id)
                    || deliveries.iter().any(|it| it.client_id == *client_id);
                if told || exclude.contains(client_id) {
                    continue;
                }
                let sub = self.sub_for(client_id, session.own_sub(client_id), session.sub.as_ref());
                let of = Some((&session.key, &session.sid));
                self.deliver(client_id, ended.initiator, of, sub, &session.session_metadata)?;
            }
        }
        self.plan.existing.extend(deliveries);
        session.updated_at = self.now;
        session.revision += 1;
        self.plan.sessions.push(session);
        Ok(())
    }

    pub(super) fn deliver(
        &mut self,
        client_id: &ClientId,
        initiator: Initiator,
        session: Option<(&SessionKey, &Sid)>,
        told: Option<ToldSub>,
        metadata: &SessionMetadata,
    ) -> Result<(), Refusal> {
        let Some(client) = self.recipient(client_id, initiator) else { return Ok(()) };
        let needs = match (session, &told) {
            (None, _) if needs_sid(client) => Some("sid"),
            (_, None) if client.token.subject == TokenSubject::Sub => Some("sub"),
            _ => None,
        };
        match needs {
            Some(needs) if self.all_or_none => {
                return Err(Refusal::NoIdentifier { client_id: client_id.clone(), needs });
            }
            Some(_) => {
                self.plan.untold.insert(client_id.clone());
                return Ok(());
            }
            None => {}
        }
        self.plan.deliveries.push(Intent {
            id: DeliveryId((self.new_id)()),
            session_key: session.map(|(key, _)| *key),
            sid: session.map(|(_, sid)| sid.clone()),
            sub_is_public: told.as_ref().is_some_and(|told| told.is_public),
            sub: told.map(|told| told.sub),
            client_id: client_id.clone(),
            initiator,
            session_metadata: metadata.chosen(&client.session_metadata),
            created_at: self.now,
            expires_at: self.now.saturating_add(self.max_age).expect("a std Duration has no calendar units"),
        });
        Ok(())
    }

    /// The `sub` that the client may be told, if there is one: see [`Subjects::sub_for`](crate::domain::pairwise::Subjects::sub_for).
    pub(super) fn sub_for(
        &self,
        client_id: &ClientId,
        own: Option<&Sub>,
        public: Option<&Sub>,
    ) -> Option<ToldSub> {
        self.subjects.sub_for(&self.clients.get(client_id)?.client, own, public)
    }

    /// The client, if it is to hear of this. A participant that was removed since has nobody left to tell.
    pub(super) fn recipient(&self, client_id: &ClientId, initiator: Initiator) -> Option<&'a Client> {
        let Registration { client, subscribed } = self.clients.get(client_id)?;
        (*subscribed && client.initiators.include(initiator)).then_some(&**client)
    }
}
