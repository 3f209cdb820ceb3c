//! The one writer of events: plans and stores the requests that wait, a group at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::collisions::Collisions;
use super::guard::MetadataGuard;
use super::handoff::{Handoff, Reserved};
use super::lookup::look_up;
use super::request::{Answer, Request};
use super::rest::{Progress, Rest};
use super::working_set::WorkingSet;
use crate::causes::Causes;
use crate::clock::Clock;
use crate::domain::ids::ClientId;
use crate::domain::metadata::sensitive::Finding;
use crate::domain::pairwise::Subjects;
use crate::domain::session::Lifetimes;
use crate::entropy::Entropy;
use crate::storage::{Groups, IntakeStore, IntakeTransaction, Lease, LeasedDelivery, StorageError};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::EventOutcome;

/// The most requests that share a transaction. They wait for each other's commit, so not too many.
const MAX_GROUP: usize = 128;

/// After how many events a group is closed, so that batches do not make it endless.
const MAX_GROUP_EVENTS: usize = 1_000;

/// After how many clients of the sessions that it is about a group is closed. It bounds the deliveries that one
/// transaction makes.
const MAX_GROUP_WEIGHT: usize = 5_000;

/// After how much memory a group is closed, as its requests are charged: what is planned of them is held until
/// the commit.
const MAX_GROUP_BYTES: usize = 32 * 1024 * 1024;

/// The least time from one transaction to the next.
const BETWEEN_GROUPS: Duration = Duration::from_millis(2);

/// What the log names as the source of metadata that an operator wrote.
const MANAGEMENT_API: &str = "management API";

/// What the writer works with.
pub struct WriterConfig {
    /// Where events are stored.
    pub store: Arc<dyn IntakeStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub entropy: Arc<dyn Entropy>,
    /// How long new deliveries are attempted.
    pub max_age: Duration,
    /// How long sessions live for which the OP does not say it.
    pub lifetimes: Lifetimes,
    /// Takes new deliveries on.
    pub handoff: Box<dyn Handoff>,
    /// Chooses the `sub` that each client is told.
    pub subjects: Arc<Subjects>,
    /// Judges session metadata.
    pub guard: Arc<MetadataGuard>,
    /// What is counted and timed.
    pub metrics: Arc<Metrics>,
}

/// The one writer of events.
pub struct Writer {
    pub(super) config: WriterConfig,
    collisions: Collisions,
    groups: Groups<Request>,
    rest: Rest,
}

impl Writer {
    pub(super) fn new(config: WriterConfig, requests: mpsc::Receiver<Request>, progress: Progress) -> Self {
        let collisions = Collisions::new(Arc::clone(&config.metrics));
        let groups = Groups::new(requests, MAX_GROUP, BETWEEN_GROUPS);
        Self { config, collisions, groups, rest: Rest::new(progress) }
    }

    /// Stores requests until every handle to the door is dropped and none waits. In turn with them, sessions are ended
    /// that were too many for the transaction in which their end was accepted.
    pub async fn run(mut self) {
        loop {
            let group = tokio::select! {
                biased;
                group = self.groups.next() => group,
                () = self.rest.due() => {
                    self.carry_on().await;
                    continue;
                }
            };
            let Some(mut waiting) = group else { return };
            while !waiting.is_empty() {
                let group: Vec<Request> = waiting.drain(..first_group(&waiting)).collect();
                // What is too much for one transaction comes first in the next.
                let left = self.answer(group).await;
                waiting.splice(0..0, left);
                if self.rest.is_due() {
                    self.carry_on().await;
                }
            }
        }
    }

    /// Stores a group, or the beginning of it that is enough for one transaction, and answers. Returns the others.
    async fn answer(&mut self, mut group: Vec<Request>) -> Vec<Request> {
        match self.store(&group).await {
            Ok(answers) => {
                let left = group.split_off(answers.len());
                for (request, answer) in group.into_iter().zip(answers) {
                    self.count(&answer, request.size());
                    self.tell_of_sensitive_metadata(&request, &answer);
                    request.reply(answer);
                }
                left
            }
            Err(error) if group.len() > 1 && !error.is_transient() => {
                tracing::warn!(error = %Causes(&error), "storing requests one by one");
                for request in group {
                    Box::pin(self.answer(vec![request])).await;
                }
                Vec::new()
            }
            Err(error) => {
                let requests = group.len();
                tracing::error!(
                    error = %Causes(&error),
                    requests,
                    "events or commands could not be stored"
                );
                for request in group {
                    self.config.metrics.events(EventOutcome::unavailable, request.events().len());
                    let answer = request.failed(&error);
                    request.reply(answer);
                }
                Vec::new()
            }
        }
    }

    fn count(&self, answer: &Answer, events: usize) {
        let metrics = &self.config.metrics;
        match answer {
            Answer::Events(Ok(accepted)) => {
                let duplicates = accepted.iter().filter(|it| it.duplicate).count();
                metrics.events(EventOutcome::accepted, accepted.len() - duplicates);
                metrics.events(EventOutcome::duplicate, duplicates);
            }
            Answer::Events(Err(_)) => metrics.events(EventOutcome::refused, events),
            Answer::Command(_) => {}
        }
    }

    fn tell_of_sensitive_metadata(&self, request: &Request, answer: &Answer) {
        let tell = |findings: &[Finding], source: &str| {
            if !findings.is_empty() {
                self.config.guard.accepted(findings, source, self.config.clock.now());
            }
        };
        match (request, answer) {
            (Request::Events { events, findings, .. }, Answer::Events(Ok(accepted))) => {
                let of_each = events.iter().zip(findings).zip(accepted);
                for ((event, findings), _) in of_each.filter(|(_, accepted)| !accepted.duplicate) {
                    tell(findings, &event.source);
                }
            }
            (Request::Command { findings, .. }, Answer::Command(Ok(_))) => tell(findings, MANAGEMENT_API),
            _ => {}
        }
    }

    /// Stores a group in one transaction, and has its deliveries attempted. What is refused stores nothing. There may be
    /// fewer answers than requests: the others are for another transaction.
    async fn store(&mut self, group: &[Request]) -> Result<Vec<Answer>, StorageError> {
        let began = Instant::now();
        let now = self.config.clock.now();
        let mut transaction = self.config.store.begin().await?;
        let mut set = look_up(&mut *transaction, group, &self.config.subjects).await?;
        let group = &group[..enough(&set, group)];
        let answers: Vec<Answer> =
            group.iter().map(|request| self.config.plan(&mut set, request, now)).collect();

        let (leaves_rest, elsewhere) = (set.leaves_ends_unfinished(), std::mem::take(&mut set.elsewhere));
        self.config.store_set(transaction, set, now).await?;
        self.collisions.tell(&elsewhere, group, &answers);
        if leaves_rest {
            self.rest.begin();
        }
        let events = group.iter().map(Request::size).sum();
        self.config.metrics.committed("events", events, began.elapsed());
        Ok(answers)
    }

    /// Ends some of the sessions that are left to end.
    async fn carry_on(&mut self) {
        if let Err(error) = self.rest.carry_on(&self.config).await {
            tracing::error!(error = %Causes(&error), "sessions that are left to end could not be ended, trying again");
        }
    }
}

impl WriterConfig {
    /// Stores all that was planned, and has the new deliveries attempted.
    pub(super) async fn store_set(
        &self,
        mut transaction: Box<dyn IntakeTransaction>,
        set: WorkingSet,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let reserved = self.handoff.reserve(&set.attemptable_clients());
        let leases = set.assign(reserved.leases());
        transaction.store(&set.changes(&leases), now).await?;
        transaction.commit().await?;
        self.hand_off(set, &leases, reserved);
        Ok(())
    }

    /// Has what was leased attempted, and tells of what was not.
    fn hand_off(&self, set: WorkingSet, leases: &[Option<Lease>], reserved: Box<dyn Reserved>) {
        let WorkingSet { clients, deliveries, renewed, .. } = set;
        let mut leased = Vec::new();
        let mut queued: BTreeSet<ClientId> = renewed.into_iter().map(|it| it.client_id).collect();
        for (intent, lease) in deliveries.into_iter().zip(leases) {
            let registration = clients.get(&intent.client_id);
            match (lease, registration) {
                (Some(lease), Some(registration)) => leased.push(LeasedDelivery {
                    client: Arc::clone(&registration.client),
                    attempts: 0,
                    failures: 0,
                    outcome_unknown: false,
                    lease: *lease,
                    intent,
                }),
                _ => drop(queued.insert(intent.client_id)),
            }
        }
        reserved.start(leased);
        if !queued.is_empty() {
            self.handoff.queued(&queued.iter().collect::<Vec<_>>());
        }
    }
}

/// How many of the requests that wait share the next transaction; at least one.
fn first_group(waiting: &[Request]) -> usize {
    let (mut events, mut bytes) = (0, 0);
    let fits = |request: &&Request| {
        let first = events == 0;
        events += request.size().max(1);
        bytes += request.bytes();
        first || (events <= MAX_GROUP_EVENTS && bytes <= MAX_GROUP_BYTES)
    };
    waiting.iter().take_while(fits).count()
}

/// How many of a group's requests are enough for one transaction, by how many clients take part in their sessions; at
/// least one.
fn enough(set: &WorkingSet, group: &[Request]) -> usize {
    let mut weight = 0;
    let fits = |request: &&Request| {
        let first = weight == 0;
        weight += request.weight(set).max(1);
        first || weight <= MAX_GROUP_WEIGHT
    };
    group.iter().take_while(fits).count()
}
