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
use super::event::{Event, EventBody, NamedClients, Target};
use super::ids::{ClientId, Sid, Sub};
use super::metadata::SessionMetadata;
use super::pairwise::Subjects;
use super::session::{Ended, Flow, Lifetimes, Session};

mod command;
mod deliveries;
mod events;
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
    /// Clients that cannot be told, because their tokens need an identifier that is not known: part of the
    /// answer to a command. An event is refused for them.
    pub untold: BTreeSet<ClientId>,
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
    /// Whether one client that cannot be told is a reason to refuse it all.
    all_or_none: bool,
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
        let all_or_none = true;
        let planner = Self { now, max_age, lifetimes, all_or_none, clients, waiting, subjects, new_id, plan };
        (planner, Known { sessions, subject_known })
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
