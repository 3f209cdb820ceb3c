//! The store from the intake's side: one transaction in which a group of events is looked up and stored.
//!
//! Both are done for the whole group at once, so that a group costs a few statements and one commit however
//! many events are in it. What follows from an event for the next one of the group is the intake's to know.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Lease, Result};
use crate::domain::access::Reporter;
use crate::domain::delivery::Intent;
use crate::domain::event::Event;
use crate::domain::ids::{ClientId, Sid, Sub};
use crate::domain::plan::{KnownSession, Registration, WaitingSubject};
use crate::domain::receipt::Receipt;
use crate::domain::session::Session;

/// Where events are accepted.
#[async_trait]
pub trait IntakeStore: Send + Sync + 'static {
    /// Begins the one transaction in which events are looked up, planned and stored. It excludes every
    /// other writer, so that what was read still holds at the commit. Dropped without a commit, it is
    /// undone.
    async fn begin(&self) -> Result<Box<dyn IntakeTransaction>>;
}

/// The transaction of an [`IntakeStore`].
#[async_trait]
pub trait IntakeTransaction: Send {
    /// What is known of what a group of events is about.
    async fn load(&mut self, wanted: &Wanted) -> Result<Known>;

    /// Those of these clients that are registered.
    async fn clients(&mut self, ids: &BTreeSet<ClientId>) -> Result<BTreeMap<ClientId, Registration>>;

    /// The pending deliveries that have one of these `sub`s and no `sid`.
    async fn waiting_subjects(&mut self, subs: &BTreeSet<Sub>) -> Result<Vec<WaitingSubject>>;

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

/// What is to be looked up.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Events that may have been accepted before.
    pub events: BTreeSet<EventKey>,
    /// Sessions, ended ones included.
    pub sids: BTreeSet<Sid>,
    /// Users, for the sessions of theirs that have not ended.
    pub subs: BTreeSet<Sub>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The events that were accepted before.
    pub events: HashMap<EventKey, AcceptedEvent>,
    /// The events that others had reported under the same source and id, by the key that was asked for.
    pub elsewhere: HashMap<EventKey, Vec<AcceptedElsewhere>>,
    /// The sessions, each once.
    pub sessions: Vec<KnownSession>,
    /// Those of the users of whom any session is known, ended ones included.
    pub subs: BTreeSet<Sub>,
}

/// An event that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedEvent {
    /// A digest of what it said, to tell a repetition from a reused id.
    pub digest: EventDigest,
    /// What was answered.
    pub receipt: Receipt,
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
    pub accepted: AcceptedEvent,
}

/// What is to be stored.
#[derive(Debug, Default)]
pub struct Changes<'a> {
    /// Sessions, each in place of whatever its `sid` meant before.
    pub sessions: Vec<&'a Session>,
    /// New deliveries: leased already where there is a lease, else pending and due at once.
    pub deliveries: Vec<(&'a Intent, Option<Lease>)>,
    /// Newly accepted events.
    pub events: Vec<(&'a EventKey, &'a AcceptedEvent)>,
}
