//! The one writer of events: plans and stores the requests that wait, a group at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::collisions::Collisions;
use super::digest::{self, Comparison};
use super::guard::{MetadataGuard, SensitiveMetadata};
use super::handoff::{Handoff, Reserved};
use super::lookup::look_up;
use super::request::{Answer, Request, of_command, of_event};
use super::working_set::{WorkingSet, deliveries, receipt};
use super::{AcceptError, Accepted, CarriedOut, CommandError};
use crate::causes::Causes;
use crate::clock::Clock;
use crate::domain::access::Reporter;
use crate::domain::event::Event;
use crate::domain::metadata::sensitive::Finding;
use crate::domain::pairwise::Subjects;
use crate::domain::plan::{Command, KnownSession, Refusal, Situation, plan, plan_command};
use crate::domain::session::Lifetimes;
use crate::entropy::Entropy;
use crate::storage::{
    AcceptedElsewhere, AcceptedEvent, EventKey, Groups, IntakeStore, Lease, LeasedDelivery, StorageError,
};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::EventOutcome;

/// The most requests that share a transaction. They wait for each other's commit, so not too many.
const MAX_GROUP: usize = 128;

/// After how many events a group is closed, so that batches do not make it endless.
const MAX_GROUP_EVENTS: usize = 1_000;

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
    config: WriterConfig,
    collisions: Collisions,
    groups: Groups<Request>,
}

impl Writer {
    pub(super) fn new(config: WriterConfig, requests: mpsc::Receiver<Request>) -> Self {
        let collisions = Collisions::new(Arc::clone(&config.metrics));
        Self { config, collisions, groups: Groups::new(requests, MAX_GROUP, BETWEEN_GROUPS) }
    }

    /// Stores requests until every handle to the door is dropped and none waits.
    pub async fn run(mut self) {
        while let Some(mut waiting) = self.groups.next().await {
            while !waiting.is_empty() {
                let group = waiting.drain(..first_group(&waiting)).collect();
                self.answer(group).await;
            }
        }
    }

    async fn answer(&self, group: Vec<Request>) {
        match self.store(&group).await {
            Ok(answers) => {
                for (request, answer) in group.into_iter().zip(answers) {
                    self.count(&answer, request.size());
                    self.tell_of_sensitive_metadata(&request, &answer);
                    request.reply(answer);
                }
            }
            Err(error) if group.len() > 1 && !error.is_outage() => {
                tracing::warn!(error = %Causes(&error), "storing requests one by one");
                for request in group {
                    Box::pin(self.answer(vec![request])).await;
                }
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
                    let answer = request.unavailable();
                    request.reply(answer);
                }
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

    /// Stores a group in one transaction, and has its deliveries attempted. What is refused stores nothing.
    async fn store(&self, group: &[Request]) -> Result<Vec<Answer>, StorageError> {
        let began = Instant::now();
        let now = self.config.clock.now();
        let mut transaction = self.config.store.begin().await?;
        let mut set = look_up(&mut *transaction, group, &self.config.subjects).await?;
        let answers: Vec<Answer> = group.iter().map(|request| self.plan(&mut set, request, now)).collect();

        let reserved = self.config.handoff.reserve(&set.attemptable_clients());
        let leases = set.assign(reserved.leases());
        transaction.store(&set.changes(&leases), now).await?;
        transaction.commit().await?;

        let events = group.iter().map(Request::size).sum();
        self.config.metrics.committed("events", events, began.elapsed());
        self.collisions.tell(&set, group, &answers);
        self.hand_off(set, &leases, reserved);
        Ok(answers)
    }

    /// Plans all of a request, or nothing of it.
    fn plan(&self, set: &mut WorkingSet, request: &Request, now: Timestamp) -> Answer {
        set.begin_request();
        let (answer, refused) = match request {
            Request::Events { reporter, events, findings, .. } => {
                let planned = self.plan_events(set, reporter, events, findings, now);
                let refused = planned.is_err();
                (Answer::Events(planned), refused)
            }
            Request::Command { command, findings, .. } => {
                let planned = self.plan_command(set, command, findings, now);
                let refused = planned.is_err();
                (Answer::Command(planned), refused)
            }
        };
        if refused {
            set.undo_request();
        }
        answer
    }

    fn plan_events(
        &self,
        set: &mut WorkingSet,
        reporter: &Reporter,
        events: &[Event],
        findings: &[Vec<Finding>],
        now: Timestamp,
    ) -> Result<Vec<Accepted>, AcceptError> {
        let planned = events.iter().zip(findings).enumerate().map(|(index, (event, findings))| {
            self.plan_event(set, reporter, event, findings, now).map_err(|refused| match refused {
                Refused::IdReused => AcceptError::IdReused { index },
                Refused::Plan(refusal) => AcceptError::Refused { index, refusal },
                Refused::Sensitive(refusal) => AcceptError::Sensitive { index, refusal },
            })
        });
        planned.collect()
    }

    fn plan_event(
        &self,
        set: &mut WorkingSet,
        reporter: &Reporter,
        event: &Event,
        findings: &[Finding],
        now: Timestamp,
    ) -> Result<Accepted, Refused> {
        let key = EventKey::of(reporter, event);
        if let Some(earlier) = set.accepted(&key) {
            match digest::compare(event, &earlier.digest) {
                Comparison::Same => return Ok(duplicate_of(earlier)),
                Comparison::Different => return Err(Refused::IdReused),
                // To act on a repetition again does less harm than to drop another event.
                Comparison::Unknown => {}
            }
        }
        if let Some(earlier) = repeats_one_of_nobody(set, &key, event) {
            return Ok(earlier);
        }
        self.config.guard.admit(findings).map_err(Refused::Sensitive)?;
        let (sessions, subject_known) = set.about(&of_event(&event.body));
        let situation = self.situation(set, sessions, subject_known, now);
        let plan = plan(event, situation, &mut || self.config.entropy.uuid_v7(now)).map_err(Refused::Plan)?;
        let receipt = receipt(&event.id, &plan);
        set.apply(plan);
        set.remember(key, AcceptedEvent { digest: digest::of(event), receipt: receipt.clone() });
        Ok(Accepted { receipt, duplicate: false })
    }

    fn plan_command(
        &self,
        set: &mut WorkingSet,
        command: &Command,
        findings: &[Finding],
        now: Timestamp,
    ) -> Result<CarriedOut, CommandError> {
        self.config.guard.admit(findings)?;
        let (mut sessions, mut subject_known) = (Vec::new(), false);
        for target in of_command(command) {
            let (found, known) = set.about(&target);
            sessions.extend(found);
            subject_known |= known;
        }
        let situation = self.situation(set, sessions, subject_known, now);
        let plan = plan_command(command, situation, &mut || self.config.entropy.uuid_v7(now))?;
        let (sessions, untold) = (plan.sids.clone(), plan.untold.clone());
        let changed = match command {
            Command::ReplaceMetadata { .. } => plan.sessions.first().cloned().map(Box::new),
            Command::Revoke(_) | Command::Expire(_) => None,
        };
        let carried_out = CarriedOut { sessions, changed, deliveries: deliveries(&plan), untold };
        set.apply(plan);
        Ok(carried_out)
    }

    fn situation<'s>(
        &'s self,
        set: &'s WorkingSet,
        sessions: Vec<KnownSession>,
        subject_known: bool,
        now: Timestamp,
    ) -> Situation<'s> {
        Situation {
            now,
            max_age: self.config.max_age,
            lifetimes: self.config.lifetimes,
            clients: &set.clients,
            sessions,
            subject_known,
            waiting: &set.waiting,
            subjects: &self.config.subjects,
        }
    }

    /// Has what was leased attempted, and tells of what was not.
    fn hand_off(&self, set: WorkingSet, leases: &[Option<Lease>], reserved: Box<dyn Reserved>) {
        let WorkingSet { clients, deliveries, .. } = set;
        let mut leased = Vec::new();
        let mut queued = BTreeSet::new();
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
            self.config.handoff.queued(&queued.iter().collect::<Vec<_>>());
        }
    }
}

/// Why an event of a request is refused.
enum Refused {
    IdReused,
    Plan(Refusal),
    Sensitive(SensitiveMetadata),
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

/// The answer to a repetition of an event that was accepted before it was stored who reports. Nobody can use up an
/// id by that: what says something else is accepted.
fn repeats_one_of_nobody(set: &WorkingSet, key: &EventKey, event: &Event) -> Option<Accepted> {
    let mut elsewhere = set.elsewhere.get(key)?.iter();
    let same = |earlier: &&AcceptedElsewhere| {
        earlier.reporter.is_none() && digest::compare(event, &earlier.accepted.digest) == Comparison::Same
    };
    elsewhere.find(same).map(|earlier| duplicate_of(&earlier.accepted))
}

fn duplicate_of(earlier: &AcceptedEvent) -> Accepted {
    Accepted { receipt: earlier.receipt.clone(), duplicate: true }
}
