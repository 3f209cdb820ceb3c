//! The store from the intake's side: one transaction in which a group of events is looked up and stored.
//!
//! Both are done for the whole group at once, so that a group costs a few statements and one commit however
//! many events are in it. What follows from an event for the next one of the group is the intake's to know.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Lease, Result};
use crate::domain::access::Reporter;
use crate::domain::delivery::{DeliverySummary, Intent};
use crate::domain::event::Event;
use crate::domain::ids::{ClientId, Sid, Sub};
use crate::domain::plan::{KnownSession, Registration, Renewal, WaitingSubjects};
use crate::domain::receipt::Receipt;
use crate::domain::session::{EndNumber, Session, SessionKey, SubjectEnd};

/// Where events are accepted.
#[async_trait]
pub trait IntakeStore: Send + Sync + 'static {
    /// Begins the one transaction in which events are looked up, planned and stored. It excludes every
    /// other writer, so that what was read still holds at the commit. Dropped without a commit, it is
    /// undone.
    async fn begin(&self) -> Result<Box<dyn IntakeTransaction>>;

    /// What was answered to an event when it was accepted, as far as that was known then. Asks no writer.
    async fn answer(&self, key: &AnswerKey) -> Result<Option<Receipt>>;

    /// Whether every session that an end is about has ended. One that is not known any more is finished.
    async fn is_finished(&self, end: EndNumber) -> Result<bool>;

    /// What an end did in later transactions than the one that accepted it, in their order.
    async fn parts(&self, end: EndNumber) -> Result<Part>;
}

/// The transaction of an [`IntakeStore`].
#[async_trait]
pub trait IntakeTransaction: Send {
    /// What is known of what a group of events is about.
    async fn load(&mut self, wanted: &Wanted) -> Result<Known>;

    /// Those of these clients that are registered.
    async fn clients(&mut self, ids: &BTreeSet<ClientId>) -> Result<BTreeMap<ClientId, Registration>>;

    /// The pending deliveries that have one of these `sub`s and no `sid`.
    async fn waiting_subjects(&mut self, subs: &BTreeSet<Sub>) -> Result<WaitingSubjects>;

    /// The end whose turn is after that of `after`, among those that are not finished. Those of one user are carried out in
    /// their order: only the first of them has turns. After the last end it is the first's turn.
    async fn unfinished_end(&mut self, after: EndNumber) -> Result<Option<SubjectEnd>>;

    /// Up to `limit` sessions that are still to be ended by an end, by their keys: those after `after`.
    async fn left_to_end(
        &mut self,
        end: &SubjectEnd,
        after: Option<SessionKey>,
        limit: u32,
    ) -> Result<LeftToEnd>;

    /// Stores what follows from a group of events.
    async fn store(&mut self, changes: &Changes<'_>, now: Timestamp) -> Result<()>;

    /// Makes it durable: when this returns, a loss of power loses nothing of it.
    async fn commit(self: Box<Self>) -> Result<()>;
}

/// An event's idempotency key. Every reporter has ids of its own, so that none can take another's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// Who reported it.
    pub reporter: Reporter,
    /// The CloudEvents `source`.
    pub source: String,
    /// The CloudEvents `id`.
    pub id: String,
}

impl EventKey {
    /// The key of this event.
    pub fn of(reporter: &Reporter, event: &Event) -> Self {
        Self { reporter: reporter.clone(), source: event.source.clone(), id: event.id.clone() }
    }
}

/// Sessions that are still to be ended by an end.
#[derive(Clone, Debug, Default)]
pub struct LeftToEnd {
    /// In the order of their keys. Those that cannot be read are left out.
    pub sessions: Vec<Session>,
    /// The last one that was looked at.
    pub last: Option<SessionKey>,
    /// Whether there may be more.
    pub more: bool,
}

/// What is to be looked up.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Events that may have been accepted before.
    pub events: BTreeSet<EventKey>,
    /// Sessions, ended ones included.
    pub sids: BTreeSet<Sid>,
    /// Users, for sessions of theirs that have not ended.
    pub subs: BTreeSet<Sub>,
    /// The most sessions of each of these.
    pub sessions_of_each: u32,
    /// Users and times, for the first end of all their sessions that is not before it.
    pub ends_since: BTreeSet<(Sub, Timestamp)>,
    /// Users, beside those of the sessions, for the ends that are not finished.
    pub ends_of: BTreeSet<Sub>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The events that were accepted before.
    pub events: HashMap<EventKey, AcceptedBefore>,
    /// The events that others had reported under the same source and id, by the key that was asked for.
    pub elsewhere: HashMap<EventKey, Vec<AcceptedElsewhere>>,
    /// The sessions, each once.
    pub sessions: Vec<KnownSession>,
    /// Those of the users of whom any session is known, ended ones included.
    pub subs: BTreeSet<Sub>,
    /// Those of the users who have more live sessions than these.
    pub more_of: BTreeSet<Sub>,
    /// The first end that is not before a time.
    pub ended_since: HashMap<(Sub, Timestamp), Arc<SubjectEnd>>,
    /// The ends that are not finished, of the users asked for and those of the sessions, in order.
    pub unfinished: Vec<Arc<SubjectEnd>>,
    /// The last number that was given to an end.
    pub last_end: EndNumber,
}

/// An event that was accepted before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedBefore {
    /// A digest of what it said, to tell a repetition from a reused id.
    pub digest: EventDigest,
    /// Where the store has what was answered.
    pub answer: AnswerKey,
    /// The end whose parts belong to the answer.
    pub end: Option<EndNumber>,
}

/// Where the store has what was answered to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerKey(pub Vec<u8>);

/// What an end did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The sessions that ended.
    pub sessions: Vec<Sid>,
    /// Their deliveries.
    pub deliveries: Vec<DeliverySummary>,
}

/// An event that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedEvent {
    /// A digest of what it says.
    pub digest: EventDigest,
    /// What is answered.
    pub receipt: Receipt,
    /// The end whose parts will belong to the answer.
    pub end: Option<EndNumber>,
}

/// A digest of what an event said. What it is made of is the intake's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventDigest {
    /// What it is made of.
    pub version: u32,
    /// The digest.
    pub bytes: [u8; 32],
}

/// An event that was accepted from another reporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedElsewhere {
    /// What the reporter is called in the log; `None` where nobody knows any more who it was.
    pub reporter: Option<String>,
    /// The event.
    pub accepted: AcceptedBefore,
}

/// What is to be stored.
#[derive(Debug, Default)]
pub struct Changes<'a> {
    /// Sessions, each in place of whatever its `sid` meant before.
    pub sessions: Vec<&'a Session>,
    /// New deliveries: leased already where there is a lease, else pending and due at once.
    pub deliveries: Vec<(&'a Intent, Option<Lease>)>,
    /// Pending deliveries that are to tell of a newer end too. They are due at once, and their schedule starts anew. One
    /// that is not pending any more is left alone.
    pub renewed: Vec<&'a Renewal>,
    /// Newly accepted events.
    pub events: Vec<(&'a EventKey, &'a AcceptedEvent)>,
    /// Newly accepted ends of all sessions of a user, and whether they are finished.
    pub ends: Vec<(&'a SubjectEnd, bool)>,
    /// What was done of ends that were accepted before.
    pub parts: Vec<(EndNumber, &'a Part)>,
    /// Whom tokens about the user tell of ends that are not finished, and the `sub` they know.
    pub told: Vec<(EndNumber, &'a ClientId, &'a Sub)>,
    /// Ends that are finished now.
    pub finished: Vec<EndNumber>,
}
