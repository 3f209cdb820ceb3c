//! Who is told of an end: the deliveries that arise from it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{KnownSession, Planner, Refusal, Registration, needs_sid};
use crate::domain::client::{Client, TokenSubject};
use crate::domain::delivery::{DeliverySummary, Intent};
use crate::domain::ids::{ClientId, DeliveryId, Sid, Sub};
use crate::domain::initiator::Initiator;
use crate::domain::metadata::SessionMetadata;
use crate::domain::pairwise::ToldSub;
use crate::domain::session::{Ended, Session, SessionKey};
use crate::domain::time;

impl<'a> Planner<'a> {
    /// Ends a session, tells its participants, and stores it.
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
        // A termination is never refused for its metadata: what the OP reported earlier wins.
        if session.session_metadata.is_empty() && session.flow.carries_metadata() {
            session.session_metadata = metadata.clone();
        }
        // Whom an end leaves out stays left out of it, whatever is reported later.
        session.decided.extend(exclude.iter().cloned());
        self.ended_participants += session.participants.len();
        self.store(session, deliveries)
    }

    /// Plans the session's row and, if it has ended, a delivery to each participant whose part in that is not decided
    /// yet. Who is not registered, or does not want to hear of such an end, is left out of it for good.
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

    /// Plans a delivery, if the client is to hear of this. `false` if it cannot be told until more is known of the
    /// user.
    pub(super) fn deliver(
        &mut self,
        client_id: &ClientId,
        initiator: Initiator,
        session: Option<(&SessionKey, &Sid)>,
        told: Option<ToldSub>,
        metadata: &SessionMetadata,
    ) -> Result<bool, Refusal> {
        let Some(client) = self.recipient(client_id, initiator) else { return Ok(true) };
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
                return Ok(false);
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
            expires_at: self.expires_at(),
        });
        Ok(true)
    }

    /// Until when a delivery that is made now is attempted.
    pub(super) fn expires_at(&self) -> Timestamp {
        time::after(self.now, self.max_age)
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
