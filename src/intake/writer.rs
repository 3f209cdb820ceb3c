//! The one writer of events: plans and stores the requests of the queue, a group at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::conflicts::ConflictRetries;
use super::handoff::{Handoff, Reserved};
use super::id_collisions::IdCollisions;
use super::lookup::look_up;
use super::metadata_guard::MetadataGuard;
use super::planning::GroupPlanner;
use super::request::{Answer, Request};
use super::results::is_new;
use super::subject_ends::{FinishedEnds, SubjectEnds};
use super::working_set::WorkingSet;
use super::{AcceptError, CommandError};
use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::domain::ids::ClientId;
use crate::domain::metadata::sensitive::Finding;
use crate::domain::pairwise::Subjects;
use crate::domain::session::Lifetimes;
use crate::storage::{Groups, IntakeStore, IntakeTransaction, Lease, LeasedDelivery, StorageError};
use crate::telemetry::metrics::EventOutcome;

/// The most requests of a group, which shares a transaction. They all wait for its commit.
const MAX_GROUP: usize = 128;

/// The events after which a group is closed: batches count by their events.
const MAX_GROUP_EVENTS: usize = 1_000;

/// The clients after which a group is closed: those that its requests name, and those of their sessions. It bounds the
/// deliveries that one transaction makes.
const MAX_GROUP_CLIENTS: usize = 5_000;

/// The memory of its requests after which a group is closed, in bytes: their plans are held until the commit.
const MAX_GROUP_BYTES: usize = 32 * 1024 * 1024;

/// The least time from one transaction to the next.
const GROUP_INTERVAL: Duration = Duration::from_millis(2);

/// The source of metadata that an operator wrote, in the log.
const MANAGEMENT_API: &str = "management API";

/// The writer's dependencies and settings.
pub struct WriterConfig {
    /// Where events are stored.
    pub store: Arc<dyn IntakeStore>,
    /// Time, randomness and metrics.
    pub ambient: Ambient,
    /// How long new deliveries are attempted.
    pub max_age: Duration,
    /// The lifetimes of sessions for which the OP does not report any.
    pub lifetimes: Lifetimes,
    /// Takes new deliveries.
    pub handoff: Box<dyn Handoff>,
    /// Chooses the `sub` for each client's tokens.
    pub subjects: Arc<Subjects>,
    /// Checks session metadata.
    pub guard: Arc<MetadataGuard>,
}

/// The one writer of events.
pub struct Writer {
    pub(super) config: WriterConfig,
    collisions: IdCollisions,
    groups: Groups<Request>,
    subject_ends: SubjectEnds,
}

impl Writer {
    pub(super) fn new(
        config: WriterConfig,
        requests: mpsc::Receiver<Request>,
        finished: FinishedEnds,
    ) -> Self {
        let collisions = IdCollisions::new(Arc::clone(&config.ambient.metrics));
        let groups = Groups::new(requests, MAX_GROUP, GROUP_INTERVAL);
        Self { config, collisions, groups, subject_ends: SubjectEnds::new(finished) }
    }

    /// Stores requests until every [`Intake`](super::Intake) is dropped and the queue is empty. In turn with them, it
    /// ends sessions that were too many for the transaction in which their subject end was accepted.
    pub async fn run(mut self) {
        loop {
            let group = tokio::select! {
                biased;
                group = self.groups.next() => group,
                () = self.subject_ends.due() => {
                    self.end_batch().await;
                    continue;
                }
            };
            let Some(mut waiting) = group else { return };
            while !waiting.is_empty() {
                let group: Vec<Request> = waiting.drain(..first_group(&waiting)).collect();
                // Requests that were too many for the transaction come first in the next.
                let left = self.answer(group).await;
                waiting.splice(0..0, left);
                if self.subject_ends.is_due() {
                    self.end_batch().await;
                }
            }
        }
    }

    /// Stores a group, or as many of its first requests as fit into one transaction, and answers them. Returns the others.
    async fn answer(&mut self, mut group: Vec<Request>) -> Vec<Request> {
        match self.store(&group).await {
            Ok(answers) => {
                let left = group.split_off(answers.len());
                for (request, answer) in group.into_iter().zip(answers) {
                    self.count(&answer);
                    self.log_sensitive_metadata(&request, &answer);
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
                    self.config
                        .ambient
                        .metrics
                        .intake
                        .events(EventOutcome::unavailable, request.events().len());
                    let answer = request.failed(&error);
                    request.reply(answer);
                }
                Vec::new()
            }
        }
    }

    fn count(&self, answer: &Answer) {
        let Answer::Events(results) = answer else { return };
        let new = results.iter().filter(|result| is_new(result)).count();
        let accepted = results.iter().flatten().count();
        let metrics = &self.config.ambient.metrics;
        metrics.intake.events(EventOutcome::accepted, new);
        metrics.intake.events(EventOutcome::duplicate, accepted - new);
        metrics.intake.events(EventOutcome::refused, results.len() - accepted);
    }

    fn log_sensitive_metadata(&self, request: &Request, answer: &Answer) {
        let log = |findings: &[Finding], source: &str| {
            if !findings.is_empty() {
                self.config.guard.log_accepted(findings, source, self.config.ambient.now());
            }
        };
        match (request, answer) {
            (Request::Events { events, findings, .. }, Answer::Events(results)) => {
                let of_each = events.iter().zip(findings).zip(results);
                for ((event, findings), result) in of_each {
                    match result {
                        Err(AcceptError::Sensitive(_)) => self.config.guard.count_rejected(findings),
                        result if is_new(result) => log(findings, &event.source),
                        _ => {}
                    }
                }
            }
            (Request::Command { findings, .. }, Answer::Command(Ok(_))) => log(findings, MANAGEMENT_API),
            (Request::Command { findings, .. }, Answer::Command(Err(CommandError::Sensitive(_)))) => {
                self.config.guard.count_rejected(findings);
            }
            _ => {}
        }
    }

    /// Stores a group in one transaction, and hands over its deliveries. A request that is refused changes nothing. There
    /// may be fewer answers than requests: the others are for another transaction.
    ///
    /// A transaction that conflicts with another process's is run again from its beginning: what that process changed
    /// is loaded, and the group is planned anew.
    async fn store(&mut self, group: &[Request]) -> Result<Vec<Answer>, StorageError> {
        let mut retries = ConflictRetries::new();
        loop {
            let stored = self.try_store(group).await;
            let conflict = matches!(stored, Err(StorageError::Conflict(_)));
            if !conflict || !retries.wait(&*self.config.ambient.entropy).await {
                return stored;
            }
        }
    }

    async fn try_store(&mut self, group: &[Request]) -> Result<Vec<Answer>, StorageError> {
        let began = Instant::now();
        let now = self.config.ambient.now();
        let mut transaction = self.config.store.begin().await?;
        let mut set = look_up(&mut *transaction, group, &self.config.subjects).await?;
        let group = &group[..fitting(&set, group)];
        let mut planner = GroupPlanner::new(&self.config, &mut set, now);
        let answers: Vec<Answer> = group.iter().map(|request| planner.plan(request)).collect();

        let (leaves_ends, elsewhere) = (set.leaves_ends_unfinished(), std::mem::take(&mut set.elsewhere));
        self.config.store_set(transaction, set, now).await?;
        self.collisions.report(&elsewhere, group, &answers);
        if leaves_ends {
            self.subject_ends.wake();
        }
        let events = group.iter().map(Request::size).sum();
        self.config.ambient.metrics.storage.committed("events", events, began.elapsed());
        Ok(answers)
    }

    /// Ends a batch of the sessions that unfinished subject ends cover.
    async fn end_batch(&mut self) {
        if let Err(error) = self.subject_ends.process_batch(&self.config).await {
            tracing::error!(error = %Causes(&error), "a batch of sessions could not be ended; retrying");
        }
    }
}

impl WriterConfig {
    /// Stores all that was planned, and hands over the new deliveries.
    pub(super) async fn store_set(
        &self,
        mut transaction: Box<dyn IntakeTransaction>,
        set: WorkingSet,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let reserved = self.handoff.reserve(&set.attemptable_clients());
        let leases = set.assign_leases(reserved.leases());
        transaction.store(&set.changes(&leases), now).await?;
        transaction.commit().await?;
        self.hand_off(set, &leases, reserved);
        Ok(())
    }

    /// Starts the deliveries that have a lease, and announces the others.
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

/// How many of the waiting requests form the next group, by their events and memory; at least one.
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

/// How many of a group's requests fit into one transaction, by the clients they are about; at least one.
fn fitting(set: &WorkingSet, group: &[Request]) -> usize {
    let mut clients = 0;
    let fits = |request: &&Request| {
        let first = clients == 0;
        clients += request.client_count(set).max(1);
        first || clients <= MAX_GROUP_CLIENTS
    };
    group.iter().take_while(fits).count()
}
