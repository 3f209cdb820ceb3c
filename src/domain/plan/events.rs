//! What follows from each kind of event about one session.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::event_time::EventTime;
use super::planner::{Loaded, Planner, add_participants, check_client_count, check_metadata, check_sub};
use super::{Field, KnownSession, Refusal};
use crate::domain::event::{ClientAdded, SessionCreated, SessionTerminated, SessionUpdated};
use crate::domain::ids::{Sid, Sub};
use crate::domain::session::{Member, Session, SessionKey, SubjectEnd};

impl Planner<'_> {
    pub(super) fn created(
        &mut self,
        event: &SessionCreated,
        known: Loaded,
        time: EventTime,
    ) -> Result<(), Refusal> {
        check_metadata(event.flow, &event.session_metadata)?;
        self.check_registered(Field::Clients, event.clients.keys())?;
        self.plan.sids.push(event.sid.clone());
        let ended_since = known.ended_since.clone();
        match known.session() {
            // A report that was overtaken by the session's end must not bring the session back to life.
            Some(known)
                if known.session.ended.is_none() || time.is_overtaken_by(known.session.last_ended_at()) =>
            {
                self.reported_again(event, known, time)
            }
            _ => self.begun(event, ended_since.as_deref(), time),
        }
    }

    /// `session.created` for a session that is known.
    fn reported_again(
        &mut self,
        event: &SessionCreated,
        known: KnownSession,
        time: EventTime,
    ) -> Result<(), Refusal> {
        let KnownSession { mut session, deliveries } = known;
        check_sub(&session, Some(&event.sub))?;
        check_metadata(session.flow, &event.session_metadata)?;
        session.set_earlier_start(time.at);
        let at = time.among_reports_of(&session);
        if !event.session_metadata.is_empty() && session.accept_report(Member::SessionMetadata, at) {
            session.session_metadata = event.session_metadata.clone();
        }
        if event.authenticated_at.is_some() && session.accept_report(Member::AuthenticatedAt, at) {
            session.authenticated_at = event.authenticated_at;
        }
        session.set_details(&event.details, at);
        session.sub = Some(event.sub.clone());
        self.renew_lifetimes(&mut session, at, event.idle_expires_at, event.expires_at);
        add_participants(&mut session, &event.clients, at);
        check_client_count(&session, Field::Clients)?;
        self.store(session, deliveries)
    }

    /// `session.created` for a new session, whose `sid` may be that of one that has ended.
    fn begun(
        &mut self,
        event: &SessionCreated,
        ended_since: Option<&SubjectEnd>,
        time: EventTime,
    ) -> Result<(), Refusal> {
        let mut session = Session {
            sub: Some(event.sub.clone()),
            flow: event.flow,
            session_metadata: event.session_metadata.clone(),
            details: event.details.clone(),
            participants: event.clients.clone(),
            authenticated_at: event.authenticated_at,
            expires_at: event.expires_at,
            begun_after: self.unfinished_end,
            ..self.new_session(&event.sid, time.at)
        };
        check_client_count(&session, Field::Clients)?;
        self.lifetimes.renew(&mut session, time.at.min(self.now), event.idle_expires_at);
        let known = KnownSession { session, deliveries: Vec::new() };
        match ended_since {
            // All sessions of the user ended since, and this one with them.
            Some(end) if time.is_overtaken_by(Some(end.ended.at)) => self.end_with_subject(known, end),
            _ => self.store(known.session, known.deliveries),
        }
    }

    /// Sets the reported lifetimes, and restarts the idle one.
    fn renew_lifetimes(
        &self,
        session: &mut Session,
        at: Timestamp,
        idle_expires_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
    ) {
        if expires_at.is_some() && session.accept_report(Member::ExpiresAt, at) {
            session.expires_at = expires_at;
        }
        let idle = idle_expires_at.filter(|_| session.accept_report(Member::IdleExpiresAt, at));
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
        time: EventTime,
    ) -> Result<(), Refusal> {
        self.check_registered(Field::ClientId, [&event.client_id])?;
        let Some(KnownSession { mut session, deliveries }) = known else {
            return Err(Refusal::UnknownSession);
        };
        self.plan.sids.push(session.sid.clone());
        let added = BTreeMap::from([(event.client_id.clone(), event.sub.clone())]);
        let at = time.among_reports_of(&session);
        add_participants(&mut session, &added, at);
        check_client_count(&session, Field::ClientId)?;
        self.lifetimes.renew(&mut session, at.min(self.now), None);
        // If the session has ended since, `store` plans the client's delivery: it took part after all.
        self.store(session, deliveries)
    }

    pub(super) fn updated(
        &mut self,
        event: &SessionUpdated,
        known: Option<KnownSession>,
        time: EventTime,
    ) -> Result<(), Refusal> {
        let KnownSession { mut session, deliveries } = self.live(known)?;
        let at = time.among_reports_of(&session);
        if let Some(metadata) = &event.session_metadata {
            check_metadata(session.flow, metadata)?;
            if session.accept_report(Member::SessionMetadata, at) {
                session.session_metadata = metadata.clone();
            }
        }
        session.set_details(&event.details, at);
        self.renew_lifetimes(&mut session, at, event.idle_expires_at, event.expires_at);
        self.store(session, deliveries)
    }

    /// The session, if it has not ended.
    pub(super) fn live(&mut self, known: Option<KnownSession>) -> Result<KnownSession, Refusal> {
        let known = known.ok_or(Refusal::UnknownSession)?;
        if known.session.ended.is_some() {
            return Err(Refusal::SessionEnded);
        }
        self.plan.sids.push(known.session.sid.clone());
        Ok(known)
    }

    /// An end is never too old to count, even if another session began under the same `sid` since: a logout too many
    /// costs a login, one too few leaves a user logged in.
    pub(super) fn session_terminated(
        &mut self,
        event: &SessionTerminated,
        time: EventTime,
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
                let session = Session { sub: sub.cloned(), ..self.new_session(sid, time.at) };
                KnownSession { session, deliveries: Vec::new() }
            }
        };
        let at = time.among_reports_of(&known.session);
        add_participants(&mut known.session, &event.clients, at);
        self.end(known, time.end(event), &event.exclude_clients, &event.session_metadata)
    }
}
