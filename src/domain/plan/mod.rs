//! The planner: from an event and what is known, to what is to be stored.
//!
//! It decides which sessions change and which deliveries arise, or why the event is refused; it stores
//! nothing itself. `intake` loads a [`Situation`], calls [`plan`] and commits the [`Plan`] whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::client::{Client, TokenSubject};
use super::delivery::{DeliverySummary, Intent};
use super::event::{Event, EventBody, NamedClients, SessionTerminated, Target};
use super::ids::{ClientId, DeliveryId, Sid, Sub};
use super::initiator::Initiator;
use super::metadata::SessionMetadata;
use super::pairwise::Subjects;
use super::session::{EndNumber, Ended, Flow, Lifetimes, Session, SubjectEnd};
use super::time::{after, kept};

mod command;
mod deliveries;
mod events;
mod subject;
#[cfg(test)]
mod tests;

pub use command::{Command, CommandRefusal, Precondition, plan_command};
pub use subject::{WaitingSubjects, plan_rest};

/// How many clients a session can have. An end names them all in one transaction.
pub const MAX_CLIENTS: usize = 1_000;

/// How far ahead of ours a source's clock may be. Within it the source's times are kept as they are, so that they
/// order its events also where some were sent again; beyond it the clock is wrong, and a time counts as none. It is short
/// because times of different sources are compared as they are: as long as one is ahead, what others report seems old.
pub const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

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
    /// The session of the event's `sid`, or live sessions of its `sub`.
    pub sessions: Vec<KnownSession>,
    /// Whether the user has more live sessions than these.
    pub more_sessions: bool,
    /// Whether any session of the event's `sub`, ended ones included, is known.
    pub subject_known: bool,
    /// The first end of all sessions of the event's `sub` that is not before the event's time.
    pub ended_since: Option<Arc<SubjectEnd>>,
    /// The last end of all sessions of the event's `sub` that is still being carried out.
    pub being_ended: Option<EndNumber>,
    /// The number of the next end of all sessions of a user.
    pub next_end: EndNumber,
    /// After how many participants of sessions that end the rest of them is left for later transactions.
    pub room: usize,
    /// Deliveries with a `sub` alone that wait for their attempt.
    pub waiting: &'a WaitingSubjects,
    /// Chooses the `sub` that each client is told.
    pub subjects: &'a Subjects,
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
    /// Clients that cannot be told, because their tokens need an identifier that is not known: part of the
    /// answer to a command. An event is refused for them.
    pub untold: BTreeSet<ClientId>,
    /// Waiting deliveries with a `sub` alone that now tell of this end too.
    pub renewed: Vec<Renewal>,
    /// Whom tokens about the user tell, and the `sub` they know.
    pub told: Vec<(ClientId, Sub)>,
    /// The end of all sessions of a user, to be remembered.
    pub subject_end: Option<SubjectEnd>,
    /// There are sessions left to end, in transactions of their own.
    pub more: bool,
}

/// A waiting delivery that is to tell of a newer end as well. It lives as long as one that is made for it would,
/// and is due at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The delivery.
    pub id: DeliveryId,
    /// Whom it tells.
    pub client_id: ClientId,
    /// Why the sessions ended.
    pub initiator: Initiator,
    /// The metadata that the client chose to see.
    pub session_metadata: SessionMetadata,
    /// Until when it is attempted.
    pub expires_at: Timestamp,
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
    /// The session would have too many clients.
    #[error("{field}: a session has at most {MAX_CLIENTS} clients, and this one would have {count}")]
    TooManyClients {
        /// Where they are named.
        field: &'static str,
        /// How many it would have.
        count: usize,
    },
    /// The session's flow can carry no metadata.
    #[error(
        "data.session_metadata: only sessions of the browser flow can carry metadata, and this one's flow is {flow}",
        flow = .0.as_str()
    )]
    MetadataFlow(Flow),
}

/// When something happened.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// By the source's clock, which orders its own events; else when the event came in.
    at: Timestamp,
    /// Whether the source said it, and is not further ahead than [`CLOCK_TOLERANCE`]. Without, the order that events came
    /// in has to do.
    is_reported: bool,
}

impl Moment {
    fn new(time: Option<Timestamp>, now: Timestamp) -> Self {
        let believed = time.map(kept).filter(|time| *time <= after(now, CLOCK_TOLERANCE));
        Self { at: believed.unwrap_or(now), is_reported: believed.is_some() }
    }

    /// The time of a report among those of a session. One without a time is newer than all that came before it, also if
    /// these are of a clock that is ahead.
    fn among_reports_of(self, session: &Session) -> Timestamp {
        if self.is_reported { self.at } else { self.at.max(session.last_reported_at()) }
    }

    /// An end of that time.
    fn end(self, event: &SessionTerminated) -> Ended {
        Ended { at: self.at, initiator: event.initiator }
    }

    /// Whether an end came after it, though it was heard of first. At the same instant it did: rather one logout too
    /// many than one too few.
    fn is_overtaken_by(self, end: Option<Timestamp>) -> bool {
        self.is_reported && end.is_some_and(|end| self.at <= end)
    }
}

/// Works out what follows from `event`. `new_id` gives a fresh time-ordered UUID at each call.
pub fn plan(
    event: &Event,
    situation: Situation<'_>,
    new_id: &mut dyn FnMut() -> Uuid,
) -> Result<Plan, Refusal> {
    let (mut planner, known) = Planner::new(situation, new_id);
    let moment = Moment::new(event.time, planner.now);
    match &event.body {
        EventBody::Created(it) => planner.created(it, known, moment)?,
        EventBody::ClientAdded(it) => planner.client_added(it, known.session(), moment)?,
        EventBody::Updated(it) => planner.updated(it, known.session(), moment)?,
        EventBody::Terminated(it) => {
            planner.check_registered("data.clients", it.clients.keys())?;
            planner.check_registered("data.exclude_clients", it.exclude_clients.iter())?;
            match &it.target {
                Target::Session { sid, sub } => {
                    planner.session_terminated(it, moment, sid, sub.as_ref(), known.session())?;
                }
                Target::Subject(sub) => planner.subject_terminated(it, moment, sub, known)?,
            }
        }
    }
    Ok(planner.plan)
}

/// What there is to plan for.
struct Loaded {
    sessions: Vec<KnownSession>,
    more_sessions: bool,
    subject_known: bool,
    ended_since: Option<Arc<SubjectEnd>>,
}

impl Loaded {
    /// The one session that the event is about.
    fn session(self) -> Option<KnownSession> {
        self.sessions.into_iter().next()
    }
}

struct Planner<'a> {
    now: Timestamp,
    max_age: Duration,
    lifetimes: Lifetimes,
    /// Whether one client that cannot be told is a reason to refuse it all.
    all_or_none: bool,
    clients: &'a BTreeMap<ClientId, Registration>,
    waiting: &'a WaitingSubjects,
    /// Whom tokens about the user tell: of this plan, and of an end that it goes on with.
    told_subjects: BTreeSet<(ClientId, Sub)>,
    being_ended: Option<EndNumber>,
    next_end: EndNumber,
    room: usize,
    /// How many participants the sessions have that were ended.
    ended_participants: usize,
    subjects: &'a Subjects,
    new_id: &'a mut dyn FnMut() -> Uuid,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(situation: Situation<'a>, new_id: &'a mut dyn FnMut() -> Uuid) -> (Self, Loaded) {
        let Situation {
            now,
            max_age,
            lifetimes,
            clients,
            waiting,
            being_ended,
            next_end,
            room,
            subjects,
            ..
        } = situation;
        let Situation { sessions, more_sessions, subject_known, ended_since, .. } = situation;
        let planner = Self {
            now: kept(now),
            max_age,
            lifetimes,
            all_or_none: true,
            clients,
            waiting,
            told_subjects: BTreeSet::new(),
            being_ended,
            next_end,
            room,
            ended_participants: 0,
            subjects,
            new_id,
            plan: Plan::default(),
        };
        (planner, Loaded { sessions, more_sessions, subject_known, ended_since })
    }

    /// Whether enough was planned for one transaction. Who takes part counts whether it is told or not: the session's
    /// row is written with it.
    fn is_full(&self) -> bool {
        self.ended_participants >= self.room
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

/// Whether the session's flow can carry this metadata.
fn check_metadata(flow: Flow, metadata: &SessionMetadata) -> Result<(), Refusal> {
    if !metadata.is_empty() && !flow.carries_metadata() {
        return Err(Refusal::MetadataFlow(flow));
    }
    Ok(())
}

fn check_sub(session: &Session, reported: Option<&Sub>) -> Result<(), Refusal> {
    match (&session.sub, reported) {
        (Some(known), Some(reported)) if known != reported => Err(Refusal::SubMismatch),
        _ => Ok(()),
    }
}

fn check_client_count(session: &Session, field: &'static str) -> Result<(), Refusal> {
    match session.participants.len() {
        count if count > MAX_CLIENTS => Err(Refusal::TooManyClients { field, count }),
        _ => Ok(()),
    }
}

/// Adds clients; a `sub` of the client's own replaces the one known unless that was reported later, but no `sub`
/// does not erase it.
fn add_participants(session: &mut Session, named: &NamedClients, at: Timestamp) {
    for (client_id, own_sub) in named {
        if own_sub.is_none() {
            session.participants.entry(client_id.clone()).or_default();
        } else if session.is_newest_sub(client_id, at) {
            session.participants.insert(client_id.clone(), own_sub.clone());
        }
    }
}
