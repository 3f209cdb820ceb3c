//! The planner: from an event and what is known, to what is to be stored.
//!
//! It decides which sessions change and which deliveries arise, or why the event is refused; it stores
//! nothing itself. `intake` loads a [`Situation`], calls [`plan`] and commits the [`Plan`] whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::client::{Client, SubjectLogout, TokenSubject};
use super::delivery::{DeliverySummary, Intent};
use super::event::{
    ClientAdded, Event, EventBody, NamedClients, SessionCreated, SessionTerminated, SessionUpdated, Target,
};
use super::ids::{ClientId, DeliveryId, Sid, Sub};
use super::initiator::Initiator;
use super::metadata::SessionMetadata;
use super::pairwise::{Subjects, ToldSub};
use super::session::{Ended, Flow, Lifetimes, Session, SessionKey};

mod command;
#[cfg(test)]
mod tests;

pub use command::{Command, CommandRefusal, plan_command};

/// What the planner needs to know.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The time.
    pub now: Timestamp,
    /// How long a new delivery is attempted.
    pub max_age: Duration,
    /// How long sessions live for which the OP does not say it.
    pub lifetimes: Lifetimes,
    /// The registered clients among those the event names and those that take part in `sessions`.
    pub clients: &'a BTreeMap<ClientId, Registration>,
    /// The session of the event's `sid`, or the live sessions of its `sub`.
    pub sessions: Vec<KnownSession>,
    /// Whether any session of the event's `sub`, ended ones included, is known.
    pub subject_known: bool,
    /// Deliveries with a `sub` alone that wait for their attempt.
    pub waiting: &'a [WaitingSubject],
    /// Chooses the `sub` that each client is told.
    pub subjects: &'a Subjects,
}

/// A delivery with a `sub` alone that is pending. Its token will mean every session there is by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingSubject {
    /// Whose sessions.
    pub sub: Sub,
    /// The delivery.
    pub delivery: DeliverySummary,
}

/// A registered client and whether it wants logout tokens at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The client.
    pub client: Arc<Client>,
    /// It has a `backchannel_logout_uri`, and its RP did not answer 410 (Gone).
    pub subscribed: bool,
}

/// A stored session and, if it has ended, the deliveries that arose from that.
#[derive(Clone, Debug)]
pub struct KnownSession {
    /// The session.
    pub session: Session,
    /// Its deliveries.
    pub deliveries: Vec<DeliverySummary>,
}

/// What is to be stored, in one transaction.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Sessions to insert or to replace, by their `sid`.
    pub sessions: Vec<Session>,
    /// Deliveries to insert.
    pub deliveries: Vec<Intent>,
    /// Deliveries of the same sessions that earlier events made: part of the answer.
    pub existing: Vec<DeliverySummary>,
    /// The sessions the event was about: part of the answer.
    pub sids: Vec<Sid>,
}

/// Why an event that is well-formed cannot be acted on. Nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is known of the session, and the event names no clients to tell.
    #[error(
        "data.sid: no such session, and no data.clients to tell; report session.created first, or name the clients in data.clients"
    )]
    UnknownSession,
    /// Nothing is known of the user, and the event names no clients to tell.
    #[error(
        "data.sub: no session of this subject was ever reported, and no data.clients to tell; report session.created first, or name the clients in data.clients"
    )]
    UnknownSubject,
    /// An update to a session that is over.
    #[error("data.sid: the session has ended and can no longer be updated")]
    SessionEnded,
    /// The session belongs to somebody else.
    #[error("data.sub: the session belongs to another subject")]
    SubMismatch,
    /// The event names a client that is not registered.
    #[error("{field}: client \"{client_id}\" is not registered")]
    UnknownClient {
        /// Where it is named.
        field: &'static str,
        /// The client.
        client_id: ClientId,
    },
    /// The client's tokens need an identifier that neither the event nor the session has.
    #[error(
        "data.{needs}: client \"{client_id}\" takes only tokens with a {needs}, and none is known for this session"
    )]
    NoIdentifier {
        /// The client.
        client_id: ClientId,
        /// `sid` or `sub`.
        needs: &'static str,
    },
    /// The session's flow can carry no metadata.
    #[error(
        "data.session_metadata: only sessions of the browser flow can carry metadata, and this one's flow is {flow}",
        flow = .0.as_str()
    )]
    MetadataFlow(Flow),
}

/// Works out what follows from `event`. `new_id` gives a fresh time-ordered UUID at each call.
pub fn plan(
    event: &Event,
    situation: Situation<'_>,
    new_id: &mut dyn FnMut() -> Uuid,
) -> Result<Plan, Refusal> {
    let (mut planner, known) = Planner::new(situation, new_id);
    let Known { sessions, subject_known } = known;
    // The source's clock orders its own events; without one, the order they came in has to do.
    let happened_at = event.time.map_or(planner.now, |time| time.min(planner.now));
    match &event.body {
        EventBody::Created(it) => planner.created(it, sessions.into_iter().next(), happened_at)?,
        EventBody::ClientAdded(it) => planner.client_added(it, sessions.into_iter().next(), happened_at)?,
        EventBody::Updated(it) => planner.updated(it, sessions.into_iter().next(), happened_at)?,
        EventBody::Terminated(it) => {
            let end = Ended { at: happened_at, initiator: it.initiator };
            planner.check_registered("data.clients", it.clients.keys())?;
            planner.check_registered("data.exclude_clients", it.exclude_clients.iter())?;
            match &it.target {
                Target::Session { sid, sub } => {
                    planner.session_terminated(it, end, sid, sub.as_ref(), sessions.into_iter().next())?;
                }
                Target::Subject(sub) => {
                    planner.subject_terminated(it, end, sub, sessions, subject_known)?;
                }
            }
        }
    }
    Ok(planner.plan)
}

/// The sessions there are to plan for.
struct Known {
    sessions: Vec<KnownSession>,
    subject_known: bool,
}

struct Planner<'a> {
    now: Timestamp,
    max_age: Duration,
    lifetimes: Lifetimes,
    clients: &'a BTreeMap<ClientId, Registration>,
    waiting: &'a [WaitingSubject],
    subjects: &'a Subjects,
    new_id: &'a mut dyn FnMut() -> Uuid,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(situation: Situation<'a>, new_id: &'a mut dyn FnMut() -> Uuid) -> (Self, Known) {
        let Situation { now, max_age, lifetimes, clients, sessions, subject_known, waiting, subjects } =
            situation;
        let plan = Plan::default();
        let planner = Self { now, max_age, lifetimes, clients, waiting, subjects, new_id, plan };
        (planner, Known { sessions, subject_known })
    }

    fn created(
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
    fn new_session(&mut self, sid: &Sid, created_at: Timestamp) -> Session {
        Session {
            key: SessionKey((self.new_id)()),
            sid: sid.clone(),
            sub: None,
            flow: Flow::default(),
            session_metadata: SessionMetadata::default(),
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

    fn client_added(
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

    fn updated(
        &mut self,
        event: &SessionUpdated,
        known: Option<KnownSession>,
        happened_at: Timestamp,
    ) -> Result<(), Refusal> {
        let KnownSession { mut session, deliveries } = self.live(known)?;
        if let Some(metadata) = &event.session_metadata {
            replace_metadata(&mut session, metadata)?;
        }
        session.expires_at = event.expires_at.or(session.expires_at);
        self.lifetimes.renew(&mut session, happened_at, event.idle_expires_at);
        self.store(session, deliveries, &BTreeSet::new())
    }

    /// A session that can still be changed.
    fn live(&mut self, known: Option<KnownSession>) -> Result<KnownSession, Refusal> {
        let known = known.ok_or(Refusal::UnknownSession)?;
        if known.session.ended.is_some() {
            return Err(Refusal::SessionEnded);
        }
        self.plan.sids.push(known.session.sid.clone());
        Ok(known)
    }

    fn session_terminated(
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

    fn subject_terminated(
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

    /// Tells the participants that want one token about the user instead of one about each session.
    fn tell_as_subject(
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
    fn deliver_for_subject(
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
    fn end(
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
    fn store(
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

    fn deliver(
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
        if let Some(needs) = needs {
            return Err(Refusal::NoIdentifier { client_id: client_id.clone(), needs });
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

    /// The `sub` that the client may be told, if there is one: see [`Subjects::sub_for`].
    fn sub_for(&self, client_id: &ClientId, own: Option<&Sub>, public: Option<&Sub>) -> Option<ToldSub> {
        self.subjects.sub_for(&self.clients.get(client_id)?.client, own, public)
    }

    /// The client, if it is to hear of this. A participant that was removed since has nobody left to tell.
    fn recipient(&self, client_id: &ClientId, initiator: Initiator) -> Option<&'a Client> {
        let Registration { client, subscribed } = self.clients.get(client_id)?;
        (*subscribed && client.initiators.include(initiator)).then_some(&**client)
    }

    fn check_registered<'c>(
        &self,
        field: &'static str,
        named: impl IntoIterator<Item = &'c ClientId>,
    ) -> Result<(), Refusal> {
        match named.into_iter().find(|client_id| !self.clients.contains_key(*client_id)) {
            Some(unknown) => Err(Refusal::UnknownClient { field, client_id: unknown.clone() }),
            None => Ok(()),
        }
    }
}

/// Whether the client's tokens cannot do without a `sid`.
fn needs_sid(client: &Client) -> bool {
    client.backchannel_logout_session_required || client.token.subject == TokenSubject::Sid
}

fn replace_metadata(session: &mut Session, metadata: &SessionMetadata) -> Result<(), Refusal> {
    if !metadata.is_empty() && !session.flow.carries_metadata() {
        return Err(Refusal::MetadataFlow(session.flow));
    }
    session.session_metadata = metadata.clone();
    Ok(())
}

fn check_sub(session: &Session, reported: Option<&Sub>) -> Result<(), Refusal> {
    match (&session.sub, reported) {
        (Some(known), Some(reported)) if known != reported => Err(Refusal::SubMismatch),
        _ => Ok(()),
    }
}

/// Adds clients; a `sub` of the client's own replaces the one known, but no `sub` does not erase it.
fn add_participants(session: &mut Session, named: &NamedClients) {
    for (client_id, own_sub) in named {
        let entry = session.participants.entry(client_id.clone()).or_default();
        if own_sub.is_some() {
            entry.clone_from(own_sub);
        }
    }
}
