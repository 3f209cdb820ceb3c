//! What follows from each kind of event.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{KnownSession, Planner, Refusal, add_participants, check_sub, needs_sid, replace_metadata};
use crate::domain::event::{ClientAdded, NamedClients, SessionCreated, SessionTerminated, SessionUpdated};
use crate::domain::ids::{ClientId, Sid, Sub};
use crate::domain::metadata::SessionMetadata;
use crate::domain::session::{Ended, Flow, Session, SessionKey};
use crate::domain::session_details::SessionDetails;

impl Planner<'_> {
    pub(super) fn created(
        &mut self,
        event: &SessionCreated,
        known: Option<KnownSession>,
        happened_at: Timestamp,
    ) -> Result<(), Refusal> {
        if !event.session_metadata.is_empty() && !event.flow.carries_metadata() {
            return Err(Refusal::MetadataFlow(event.flow));
        }
        self.check_registered("data.clients", event.clients.keys())?;
        self.plan.sids.push(event.sid.clone());

        // A report that was overtaken by the session's end must not bring the session back to life.
        let overtaken = |ended: &Option<Ended>| ended.is_some_and(|ended| happened_at <= ended.at);
        match known {
            Some(known) if known.session.ended.is_none() || overtaken(&known.session.ended) => {
                let KnownSession { mut session, deliveries } = known;
                check_sub(&session, Some(&event.sub))?;
                if !event.session_metadata.is_empty() {
                    if !session.flow.carries_metadata() {
                        return Err(Refusal::MetadataFlow(session.flow));
                    }
                    session.session_metadata = event.session_metadata.clone();
                }
                session.details.replace_with(&event.details);
                session.sub = Some(event.sub.clone());
                session.authenticated_at = event.authenticated_at.or(session.authenticated_at);
                session.expires_at = event.expires_at.or(session.expires_at);
                self.lifetimes.renew(&mut session, happened_at, event.idle_expires_at);
                add_participants(&mut session, &event.clients);
                self.store(session, deliveries, &BTreeSet::new())
            }
            _ => {
                let mut session = Session {
                    sub: Some(event.sub.clone()),
                    flow: event.flow,
                    session_metadata: event.session_metadata.clone(),
                    details: event.details.clone(),
                    participants: event.clients.clone(),
                    authenticated_at: event.authenticated_at,
                    expires_at: event.expires_at,
                    ..self.new_session(&event.sid, happened_at)
                };
                self.lifetimes.renew(&mut session, happened_at, event.idle_expires_at);
                self.store(session, Vec::new(), &BTreeSet::new())
            }
        }
    }

    /// A session of which only this is known.
    pub(super) fn new_session(&mut self, sid: &Sid, created_at: Timestamp) -> Session {
        Session {
            key: SessionKey((self.new_id)()),
            sid: sid.clone(),
            sub: None,
            flow: Flow::default(),
            session_metadata: SessionMetadata::default(),
            details: SessionDetails::default(),
            participants: BTreeMap::new(),
            created_at,
            updated_at: self.now,
            authenticated_at: None,
            idle_expires_at: None,
            expires_at: None,
            revision: 0,
            ended: None,
            told_as_subject: BTreeSet::new(),
        }
    }

    pub(super) fn client_added(
        &mut self,
        event: &ClientAdded,
        known: Option<KnownSession>,
        happened_at: Timestamp,
    ) -> Result<(), Refusal> {
        self.check_registered("data.client_id", [&event.client_id])?;
        let Some(KnownSession { mut session, deliveries }) = known else {
            return Err(Refusal::UnknownSession);
        };
        self.plan.sids.push(session.sid.clone());
        let added = BTreeMap::from([(event.client_id.clone(), event.sub.clone())]);
        add_participants(&mut session, &added);
        self.lifetimes.renew(&mut session, happened_at, None);
        // If the session has ended meanwhile, `store` tells the client at once: it took part after all.
        self.store(session, deliveries, &BTreeSet::new())
    }

    pub(super) fn updated(
        &mut self,
        event: &SessionUpdated,
        known: Option<KnownSession>,
        happened_at: Timestamp,
    ) -> Result<(), Refusal> {
        let KnownSession { mut session, deliveries } = self.live(known)?;
        if let Some(metadata) = &event.session_metadata {
            replace_metadata(&mut session, metadata)?;
        }
        session.details.replace_with(&event.details);
        session.expires_at = event.expires_at.or(session.expires_at);
        self.lifetimes.renew(&mut session, happened_at, event.idle_expires_at);
        self.store(session, deliveries, &BTreeSet::new())
    }

    /// A session that can still be changed.
    pub(super) fn live(&mut self, known: Option<KnownSession>) -> Result<KnownSession, Refusal> {
        let known = known.ok_or(Refusal::UnknownSession)?;
        if known.session.ended.is_some() {
            return Err(Refusal::SessionEnded);
        }
        self.plan.sids.push(known.session.sid.clone());
        Ok(known)
    }

    pub(super) fn session_terminated(
        &mut self,
        event: &SessionTerminated,
        end: Ended,
        sid: &Sid,
        sub: Option<&Sub>,
        known: Option<KnownSession>,
    ) -> Result<(), Refusal> {
        self.plan.sids.push(sid.clone());
        if let Some(known) = known {
            check_sub(&known.session, sub)?;
            return self.end(known, event, end, &event.clients);
        }
        if event.clients.is_empty() {
            return Err(Refusal::UnknownSession);
        }
        let session = Session { sub: sub.cloned(), ..self.new_session(sid, end.at) };
        self.end(KnownSession { session, deliveries: Vec::new() }, event, end, &event.clients)
    }

    pub(super) fn subject_terminated(
        &mut self,
        event: &SessionTerminated,
        end: Ended,
        sub: &Sub,
        known: Vec<KnownSession>,
        subject_known: bool,
    ) -> Result<(), Refusal> {
        if known.is_empty() && event.clients.is_empty() && !subject_known {
            return Err(Refusal::UnknownSubject);
        }
        let takes_part =
            |client_id: &ClientId| known.iter().any(|it| it.session.participants.contains_key(client_id));
        // Whom the event names beside the participants hears of the user, not of a session it may not
        // know; unless its tokens must have a `sid`.
        let (strangers, named): (NamedClients, NamedClients) =
            event.clients.clone().into_iter().partition(|(client_id, _)| {
                !takes_part(client_id) && !needs_sid(&self.clients[client_id].client)
            });

        let to_tell = |it: &&ClientId| {
            !event.exclude_clients.contains(*it) && self.recipient(it, end.initiator).is_some()
        };
        if known.is_empty()
            && let Some(client_id) = named.keys().find(to_tell)
        {
            return Err(Refusal::NoIdentifier { client_id: client_id.clone(), needs: "sid" });
        }
        for mut known in known {
            self.plan.sids.push(known.session.sid.clone());
            add_participants(&mut known.session, &named);
            self.tell_as_subject(&mut known.session, event, end.initiator)?;
            self.end(known, event, end, &NamedClients::new())?;
        }
        for (client_id, own_sub) in &strangers {
            if !event.exclude_clients.contains(client_id)
                && self.recipient(client_id, end.initiator).is_some()
            {
                let told = self
                    .sub_for(client_id, own_sub.as_ref(), Some(sub))
                    .ok_or_else(|| Refusal::NoIdentifier { client_id: client_id.clone(), needs: "sub" })?;
                self.deliver_for_subject(client_id, end.initiator, told, &event.session_metadata)?;
            }
        }
        Ok(())
    }
}
