//! What follows from each kind of event.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    KnownSession, Loaded, Moment, Planner, Refusal, add_participants, check_client_count, check_metadata,
    check_sub,
};
use crate::domain::event::{ClientAdded, SessionCreated, SessionTerminated, SessionUpdated};
use crate::domain::ids::{Sid, Sub};
use crate::domain::session::{Member, Session, SessionKey, SubjectEnd};

impl Planner<'_> {
    pub(super) fn created(
        &mut self,
        event: &SessionCreated,
        known: Loaded,
        moment: Moment,
    ) -> Result<(), Refusal> {
        check_metadata(event.flow, &event.session_metadata)?;
        self.check_registered("data.clients", event.clients.keys())?;
        self.plan.sids.push(event.sid.clone());
        let ended_since = known.ended_since.clone();
        match known.session() {
            // A report that was overtaken by the session's end must not bring the session back to life.
            Some(known)
                if known.session.ended.is_none() || moment.is_overtaken_by(known.session.last_ended_at()) =>
            {
                self.created_again(event, known, moment)
            }
            _ => self.begun(event, ended_since.as_deref(), moment),
        }
    }

    /// A session that is known was reported to have begun.
    fn created_again(
        &mut self,
        event: &SessionCreated,
        known: KnownSession,
        moment: Moment,
    ) -> Result<(), Refusal> {
        let KnownSession { mut session, deliveries } = known;
        check_sub(&session, Some(&event.sub))?;
        check_metadata(session.flow, &event.session_metadata)?;
        session.began_earlier(moment.at);
        let at = moment.among_reports_of(&session);
        if !event.session_metadata.is_empty() && session.is_newest(Member::SessionMetadata, at) {
            session.session_metadata = event.session_metadata.clone();
        }
        if event.authenticated_at.is_some() && session.is_newest(Member::AuthenticatedAt, at) {
            session.authenticated_at = event.authenticated_at;
        }
        session.set_details(&event.details, at);
        session.sub = Some(event.sub.clone());
        self.live_until(&mut session, at, event.idle_expires_at, event.expires_at);
        add_participants(&mut session, &event.clients, at);
        check_client_count(&session, "data.clients")?;
        self.store(session, deliveries)
    }

    /// A session began, or another one under the `sid` of one that ended.
    fn begun(
        &mut self,
        event: &SessionCreated,
        ended_since: Option<&SubjectEnd>,
        moment: Moment,
    ) -> Result<(), Refusal> {
        let mut session = Session {
            sub: Some(event.sub.clone()),
            flow: event.flow,
            session_metadata: event.session_metadata.clone(),
            details: event.details.clone(),
            participants: event.clients.clone(),
            authenticated_at: event.authenticated_at,
            expires_at: event.expires_at,
            begun_after: self.being_ended,
            ..self.new_session(&event.sid, moment.at)
        };
        check_client_count(&session, "data.clients")?;
        self.lifetimes.renew(&mut session, moment.at.min(self.now), event.idle_expires_at);
        let known = KnownSession { session, deliveries: Vec::new() };
        match ended_since {
            // All sessions of the user ended since, and this one with them.
            Some(end) if moment.is_overtaken_by(Some(end.ended.at)) => self.end_by_subject(known, end),
            _ => self.store(known.session, known.deliveries),
        }
    }

    /// Something was heard of a session: how long it lives from then on.
    fn live_until(
        &self,
        session: &mut Session,
        at: Timestamp,
        idle_expires_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
    ) {
        if expires_at.is_some() && session.is_newest(Member::ExpiresAt, at) {
            session.expires_at = expires_at;
        }
        let idle = idle_expires_at.filter(|_| session.is_newest(Member::IdleExpiresAt, at));
        self.lifetimes.renew(session, at.min(self.now), idle);
    }

    /// A session of which only this is known.
    fn new_session(&mut self, sid: &Sid, created_at: Timestamp) -> Session {
        Session::new(SessionKey((self.new_id)()), sid.clone(), created_at)
    }

    pub(super) fn client_added(
        &mut self,
        event: &ClientAdded,
        known: Option<KnownSession>,
        moment: Moment,
    ) -> Result<(), Refusal> {
        self.check_registered("data.client_id", [&event.client_id])?;
        let Some(KnownSession { mut session, deliveries }) = known else {
            return Err(Refusal::UnknownSession);
        };
        self.plan.sids.push(session.sid.clone());
        let added = BTreeMap::from([(event.client_id.clone(), event.sub.clone())]);
        let at = moment.among_reports_of(&session);
        add_participants(&mut session, &added, at);
        check_client_count(&session, "data.client_id")?;
        self.lifetimes.renew(&mut session, at.min(self.now), None);
        // If the session has ended meanwhile, `store` tells the client at once: it took part after all.
        self.store(session, deliveries)
    }

    pub(super) fn updated(
        &mut self,
        event: &SessionUpdated,
        known: Option<KnownSession>,
        moment: Moment,
    ) -> Result<(), Refusal> {
        let KnownSession { mut session, deliveries } = self.live(known)?;
        let at = moment.among_reports_of(&session);
        if let Some(metadata) = &event.session_metadata {
            check_metadata(session.flow, metadata)?;
            if session.is_newest(Member::SessionMetadata, at) {
                session.session_metadata = metadata.clone();
            }
        }
        session.set_details(&event.details, at);
        self.live_until(&mut session, at, event.idle_expires_at, event.expires_at);
        self.store(session, deliveries)
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

    /// An end is never too old to count, whatever began since under the same `sid`: a logout too many costs a login,
    /// one too few leaves somebody logged in.
    pub(super) fn session_terminated(
        &mut self,
        event: &SessionTerminated,
        moment: Moment,
        sid: &Sid,
        sub: Option<&Sub>,
        known: Option<KnownSession>,
    ) -> Result<(), Refusal> {
        self.plan.sids.push(sid.clone());
        let mut known = match known {
            Some(known) => {
                check_sub(&known.session, sub)?;
                known
            }
            None if event.clients.is_empty() => return Err(Refusal::UnknownSession),
            None => {
                let session = Session { sub: sub.cloned(), ..self.new_session(sid, moment.at) };
                KnownSession { session, deliveries: Vec::new() }
            }
        };
        let at = moment.among_reports_of(&known.session);
        add_participants(&mut known.session, &event.clients, at);
        self.end(known, moment.end(event), &event.exclude_clients, &event.session_metadata)
    }
}
