//! Accepting events: one transaction that loads what a group of events is about and stores what follows from them.
//!
//! Everything is loaded and stored for the whole group at once, so that a group costs a few statements and one commit
//! however many events it has. What one event of the group means for the next is worked out by the intake, in memory.

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

/// Accepts events.
#[async_trait]
pub trait IntakeStore: Send + Sync + 'static {
    /// Begins a serializable transaction: if it commits, nothing of what it read has been changed by another
    /// transaction in the meantime. A backend may keep other writers out, or let them go on and detect the conflict;
    /// then any call up to the commit may return [`Conflict`](super::StorageError::Conflict), and the caller runs the
    /// transaction again from here, with everything loaded and planned anew.
    ///
    /// Dropped without a commit, the transaction is rolled back.
    async fn begin(&self) -> Result<Box<dyn IntakeTransaction>>;

    /// What was answered to an event when it was accepted, as far as it was known then. Reads outside of any
    /// transaction, so that it never waits for a writer.
    async fn answer(&self, key: &AnswerKey) -> Result<Option<Receipt>>;

    /// Whether every session that an end is about has ended. An end that was deleted is finished.
    async fn is_finished(&self, end: EndNumber) -> Result<bool>;

    /// What an end did in transactions after the one that accepted it, in their order.
    async fn parts(&self, end: EndNumber) -> Result<Part>;
}

/// A transaction of an [`IntakeStore`].
#[async_trait]
pub trait IntakeTransaction: Send {
    /// Loads what a group of events is about.
    async fn load(&mut self, wanted: &Wanted) -> Result<Known>;

    /// Those of these clients that are registered.
    async fn clients(&mut self, ids: &BTreeSet<ClientId>) -> Result<BTreeMap<ClientId, Registration>>;

    /// The pending deliveries that have one of these `sub`s and no `sid`.
    async fn waiting_subjects(&mut self, subs: &BTreeSet<Sub>) -> Result<WaitingSubjects>;

    /// The next unfinished end after `after` in round-robin order: the first again after the last. Ends of one user are
    /// carried out in their order, so only the first unfinished end of each user is considered.
    async fn unfinished_end(&mut self, after: EndNumber) -> Result<Option<SubjectEnd>>;

    /// Up to `limit` sessions that an end has still to end, ordered by their keys, from the first after `after`.
    async fn left_to_end(
        &mut self,
        end: &SubjectEnd,
        after: Option<SessionKey>,
        limit: u32,
    ) -> Result<LeftToEnd>;

    /// Stores what follows from a group of events. May be called once.
    async fn store(&mut self, changes: &Changes<'_>, now: Timestamp) -> Result<()>;

    /// Makes it durable: when this returns `Ok`, it survives a power failure.
    async fn commit(self: Box<Self>) -> Result<()>;
}

/// An event's idempotency key. Each reporter has an id space of its own, so that no reporter can use up another's ids.
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

/// Sessions that an end has still to end.
#[derive(Clone, Debug, Default)]
pub struct LeftToEnd {
    /// In the order of their keys. Those that cannot be read are left out.
    pub sessions: Vec<Session>,
    /// The last one that was read, whether it could be or not: where the next page begins.
    pub last: Option<SessionKey>,
    /// Whether there may be more.
    pub more: bool,
}

/// What to load.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Events, to find those that were accepted before.
    pub events: BTreeSet<EventKey>,
    /// Sessions, including those that have ended.
    pub sids: BTreeSet<Sid>,
    /// Users, for their sessions that have not ended.
    pub subs: BTreeSet<Sub>,
    /// The most sessions to load of each of these users.
    pub sessions_of_each: u32,
    /// Users and times, for the first end of all of a user's sessions at or after the time.
    pub ends_since: BTreeSet<(Sub, Timestamp)>,
    /// Users, in addition to those of the sessions, for their unfinished ends.
    pub ends_of: BTreeSet<Sub>,
}

/// What was loaded.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The events that were accepted before.
    pub events: HashMap<EventKey, AcceptedBefore>,
    /// The events that other reporters had reported with the same source and id, by the key that was wanted.
    pub elsewhere: HashMap<EventKey, Vec<AcceptedElsewhere>>,
    /// The sessions, each once.
    pub sessions: Vec<KnownSession>,
    /// The users of whom any session is known, including ended ones.
    pub subs: BTreeSet<Sub>,
    /// The users who have more live sessions than were loaded.
    pub more_of: BTreeSet<Sub>,
    /// The first end at or after each time.
    pub ended_since: HashMap<(Sub, Timestamp), Arc<SubjectEnd>>,
    /// The unfinished ends of the wanted users and of the sessions' users, in order.
    pub unfinished: Vec<Arc<SubjectEnd>>,
    /// The last number that was assigned to an end, including ends that were deleted.
    pub last_end: EndNumber,
}

/// An event that was accepted before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedBefore {
    /// A digest of its content, to tell a repetition from a reused id.
    pub digest: EventDigest,
    /// Where its answer is stored.
    pub answer: AnswerKey,
    /// The end whose parts belong to the answer.
    pub end: Option<EndNumber>,
}

/// Where the answer to an event is stored. Opaque to callers.
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

/// A newly accepted event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedEvent {
    /// A digest of its content.
    pub digest: EventDigest,
    /// The answer.
    pub receipt: Receipt,
    /// The end whose parts will belong to the answer.
    pub end: Option<EndNumber>,
}

/// A digest of an event's content. The intake computes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventDigest {
    /// The version of the rules by which it was computed.
    pub version: u32,
    /// The digest.
    pub bytes: [u8; 32],
}

/// An event that was accepted from another reporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedElsewhere {
    /// The reporter's name for the log; `None` for events from before reporters were recorded.
    pub reporter: Option<String>,
    /// The event.
    pub accepted: AcceptedBefore,
}

/// What to store.
#[derive(Debug, Default)]
pub struct Changes<'a> {
    /// Sessions; each replaces the session that had its `sid`.
    pub sessions: Vec<&'a Session>,
    /// New deliveries: leased where there is a lease, else pending and due at once.
    pub deliveries: Vec<(&'a Intent, Option<Lease>)>,
    /// Pending deliveries that now stand for a newer end too. They become due at once, and their retry schedule starts
    /// over. A delivery that is no longer pending is left unchanged.
    pub renewed: Vec<&'a Renewal>,
    /// Newly accepted events.
    pub events: Vec<(&'a EventKey, &'a AcceptedEvent)>,
    /// Newly accepted ends of all sessions of a user, and whether they are finished.
    pub ends: Vec<(&'a SubjectEnd, bool)>,
    /// What this transaction did for ends that were accepted before.
    pub parts: Vec<(EndNumber, &'a Part)>,
    /// Clients that get one token for all sessions of a user, for ends that are not finished, and the `sub` in it.
    pub notified: Vec<(EndNumber, &'a ClientId, &'a Sub)>,
    /// Ends that are finished now.
    pub finished: Vec<EndNumber>,
}
