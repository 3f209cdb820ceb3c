//! The deliveries that the end of a session makes.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::planner::{Planner, needs_sid};
use super::{Identifier, KnownSession, Refusal, Registration};
use crate::domain::client::{Client, TokenSubject};
use crate::domain::delivery::{DeliverySummary, Intent};
use crate::domain::ids::{ClientId, DeliveryId, Sid, Sub};
use crate::domain::initiator::Initiator;
use crate::domain::metadata::SessionMetadata;
use crate::domain::pairwise::ClientSub;
use crate::domain::session::{Ended, Session, SessionKey};
use crate::domain::time;

impl<'a> Planner<'a> {
    /// Ends a session: plans its row, and a delivery to each participant.
    pub(super) fn end(
        &mut self,
        known: KnownSession,
        end: Ended,
        exclude: &BTreeSet<ClientId>,
        metadata: &SessionMetadata,
    ) -> Result<(), Refusal> {
        let KnownSession { mut session, deliveries } = known;
        match session.ended {
            // An end that was reported before keeps its time and initiator.
            Some(earlier) if end.at > earlier.at => {
                session.ended_again_at = session.ended_again_at.max(Some(end.at));
            }
            Some(_) => {}
            None => session.ended = Some(end),
        }
        // A termination is never refused for its metadata: metadata that was reported earlier is kept.
        if session.session_metadata.is_empty() && session.flow.carries_metadata() {
            session.session_metadata = metadata.clone();
        }
        // An excluded client stays excluded from this end, whatever is reported later.
        session.decided.extend(exclude.iter().cloned());
        self.ended_participants += session.participants.len();
        self.store(session, deliveries)
    }

    /// Plans the session's row and, if the session has ended, a delivery to each participant about which nothing was
    /// decided yet. A client that is not registered, or does not want tokens of such an end, gets none later either.
    pub(super) fn store(
        &mut self,
        mut session: Session,
        deliveries: Vec<DeliverySummary>,
    ) -> Result<(), Refusal> {
        if let Some(ended) = session.ended {
            let undecided = session.participants.keys().filter(|it| !session.decided.contains(*it));
            for client_id in undecided.cloned().collect::<Vec<_>>() {
                let sub = self.sub_for(&client_id, session.own_sub(&client_id), session.sub.as_ref());
                let of = Some((&session.key, &session.sid));
                if self.deliver(&client_id, ended.initiator, of, sub, &session.session_metadata)? {
                    session.decided.insert(client_id);
                }
            }
        }
        self.plan.existing.extend(deliveries);
        session.updated_at = self.now;
        session.revision += 1;
        self.plan.sessions.push(session);
        Ok(())
    }

    /// Plans a delivery, if the client wants one. Returns `false` if the client is unreachable until more is known of
    /// the user.
    pub(super) fn deliver(
        &mut self,
        client_id: &ClientId,
        initiator: Initiator,
        session: Option<(&SessionKey, &Sid)>,
        sub: Option<ClientSub>,
        metadata: &SessionMetadata,
    ) -> Result<bool, Refusal> {
        let Some(client) = self.recipient(client_id, initiator) else { return Ok(true) };
        let missing = match (session, &sub) {
            (None, _) if needs_sid(client) => Some(Identifier::Sid),
            (_, None) if client.token.subject == TokenSubject::Sub => Some(Identifier::Sub),
            _ => None,
        };
        match missing {
            Some(needs) if self.refuse_unreachable => {
                return Err(Refusal::NoIdentifier { client_id: client_id.clone(), needs });
            }
            Some(_) => {
                self.plan.unreachable.insert(client_id.clone());
                return Ok(false);
            }
            None => {}
        }
        self.plan.deliveries.push(Intent {
            id: DeliveryId((self.new_id)()),
            session_key: session.map(|(key, _)| *key),
            sid: session.map(|(_, sid)| sid.clone()),
            sub_is_public: sub.as_ref().is_some_and(|sub| sub.is_public),
            sub: sub.map(|it| it.sub),
            client_id: client_id.clone(),
            initiator,
            session_metadata: metadata.chosen(&client.session_metadata),
            created_at: self.now,
            expires_at: self.expires_at(),
        });
        Ok(true)
    }

    /// When attempts at a delivery that is made now stop.
    pub(super) fn expires_at(&self) -> Timestamp {
        time::after(self.now, self.max_age)
    }

    /// The `sub` for the client's token, if there is one: see
    /// [`Subjects::sub_for`](crate::domain::pairwise::Subjects::sub_for).
    pub(super) fn sub_for(
        &self,
        client_id: &ClientId,
        own: Option<&Sub>,
        public: Option<&Sub>,
    ) -> Option<ClientSub> {
        self.subjects.sub_for(&self.clients.get(client_id)?.client, own, public)
    }

    /// The client, if it wants a token of such an end. `None` for one that is not registered any more.
    pub(super) fn recipient(&self, client_id: &ClientId, initiator: Initiator) -> Option<&'a Client> {
        let Registration { client, subscribed } = self.clients.get(client_id)?;
        (*subscribed && client.initiators.include(initiator)).then_some(&**client)
    }
}
