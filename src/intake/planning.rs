//! Plans the requests of a group, event by event, and applies each plan to the working set.

use jiff::Timestamp;
use uuid::Uuid;

use super::digest::{self, Comparison};
use super::request::{Answer, Request, of_command, of_event};
use super::results::{CommandOutcome, EventResult, Stored, StoredReceipt, all_failed};
use super::working_set::{TargetState, WorkingSet, plan_deliveries, receipt};
use super::writer::WriterConfig;
use super::{AcceptError, CommandError};
use crate::domain::event::{Event, EventBody, Target};
use crate::domain::ids::Sub;
use crate::domain::metadata::sensitive::Finding;
use crate::domain::plan::{Command, Plan, PlanInput, plan, plan_command, plan_rest};
use crate::domain::session::{EndNumber, SubjectEnd};
use crate::domain::time::normalized;
use crate::storage::{AcceptedBefore, AcceptedElsewhere, AcceptedEvent, EventKey};

/// Once the sessions that a transaction ends have this many participants, the other sessions of a user, or other expired
/// sessions, are left for later transactions: few enough that no request waits for long.
const PARTICIPANT_BUDGET: usize = 2_000;

/// The same for one event or command: it must not use up a transaction while others wait for the next.
const PARTICIPANT_BUDGET_OF_ONE: usize = 200;

/// The most clients that a batch may be about: those that it names, and those of the sessions it is about. It is stored
/// in one transaction.
pub(super) const MAX_BATCH_CLIENTS: usize = 10_000;

/// Plans the requests of a group against a working set.
pub(super) struct GroupPlanner<'a> {
    config: &'a WriterConfig,
    set: &'a mut WorkingSet,
    now: Timestamp,
}

impl<'a> GroupPlanner<'a> {
    pub(super) fn new(config: &'a WriterConfig, set: &'a mut WorkingSet, now: Timestamp) -> Self {
        Self { config, set, now }
    }

    /// Plans a request and applies it to the working set, or changes nothing.
    pub(super) fn plan(&mut self, request: &Request) -> Answer {
        self.set.begin_request();
        let (answer, refused) = match request {
            Request::Events { events, .. }
                if events.len() > 1 && request.client_count(self.set) > MAX_BATCH_CLIENTS =>
            {
                (Answer::Events(all_failed(events.len(), &AcceptError::BatchTooLarge)), true)
            }
            Request::Events { events, keys, findings, .. } => {
                let results = self.plan_events(events, keys, findings);
                let refused = results.iter().any(Result::is_err);
                (Answer::Events(results), refused)
            }
            Request::Command { command, findings, .. } => {
                let planned = self.plan_command(command, findings);
                let refused = planned.is_err();
                (Answer::Command(planned), refused)
            }
        };
        if refused {
            self.set.undo_request();
        }
        answer
    }

    /// Plans events, up to the first that is refused; the others are refused with it.
    fn plan_events(
        &mut self,
        events: &[Event],
        keys: &[EventKey],
        findings: &[Vec<Finding>],
    ) -> Vec<EventResult> {
        let mut results = Vec::with_capacity(events.len());
        for ((event, key), findings) in events.iter().zip(keys).zip(findings) {
            match self.plan_event(event, key, findings) {
                Ok(stored) => results.push(Ok(stored)),
                Err(error) => {
                    let at_fault = results.len();
                    results = all_failed(events.len(), &AcceptError::BatchRefused);
                    results[at_fault] = Err(error);
                    return results;
                }
            }
        }
        results
    }

    fn plan_event(&mut self, event: &Event, key: &EventKey, findings: &[Finding]) -> EventResult {
        if let Some(earlier) = accepted_before(self.set, key, event)? {
            return Ok(earlier);
        }
        self.config.guard.check(findings)?;
        let target = of_event(&event.body);
        self.end_if_covered(&target);
        let mut input = self.input(self.set.state_of(&target));
        if let EventBody::Created(created) = &event.body {
            input.unfinished_end = self.set.unfinished_end(&created.sub);
            let since = event.time.map(|time| self.set.ended_since(&created.sub, normalized(time)));
            input.ended_since = since.flatten();
        }
        let plan = plan(event, input, &mut || self.new_id())?;
        let (receipt, unfinished_end) = (receipt(&event.id, &plan), unfinished_end(&plan));
        self.set.apply(plan);
        self.set.insert_accepted(
            key.clone(),
            AcceptedEvent { digest: digest::of(event), receipt: receipt.clone(), end: unfinished_end },
        );
        Ok(Stored { receipt: StoredReceipt::Loaded(receipt), duplicate: false, unfinished_end })
    }

    fn plan_command(
        &mut self,
        command: &Command,
        findings: &[Finding],
    ) -> Result<CommandOutcome, CommandError> {
        self.config.guard.check(findings)?;
        let mut state = TargetState { sessions: Vec::new(), more: false, subject_known: false };
        for target in of_command(command) {
            let is_full = self.set.deliveries.len() >= PARTICIPANT_BUDGET;
            if matches!(command, Command::Expire(_)) && is_full && self.set.to_be_ended(&target).is_some() {
                // It is found again in the next batch.
                continue;
            }
            self.end_if_covered(&target);
            let of_target = self.set.state_of(&target);
            state.sessions.extend(of_target.sessions);
            state.more |= of_target.more;
            state.subject_known |= of_target.subject_known;
        }
        let input = self.input(state);
        let plan = plan_command(command, input, &mut || self.new_id())?;
        let changed = match command {
            Command::ReplaceMetadata { .. } => plan.sessions.first().cloned().map(Box::new),
            Command::Revoke { .. } | Command::Expire(_) => None,
        };
        let outcome = CommandOutcome {
            sessions: plan.sids.clone(),
            changed,
            deliveries: plan_deliveries(&plan),
            unreachable: plan.unreachable.clone(),
            unfinished_end: unfinished_end(&plan),
            is_complete: !plan.more,
        };
        self.set.apply(plan);
        Ok(outcome)
    }

    /// Ends the session of a target if an unfinished subject end covers it: that end was accepted before, and comes first.
    fn end_if_covered(&mut self, target: &Target) {
        if let Some((known, end)) = self.set.to_be_ended(target) {
            let state = TargetState { sessions: vec![known], more: false, subject_known: true };
            // Without a budget: the clients of one session always fit into a transaction.
            let plan = self.plan_rest(&end, state, usize::MAX);
            self.set.apply_part(end.number, plan);
        }
    }

    /// Plans sessions' ends by a subject end that was accepted before.
    pub(super) fn plan_rest(&self, end: &SubjectEnd, state: TargetState, participant_budget: usize) -> Plan {
        let input = PlanInput { participant_budget, ..self.input(state) };
        plan_rest(end, self.set.subject_recipients(end), input, &mut || self.new_id())
    }

    fn new_id(&self) -> Uuid {
        self.config.ambient.entropy.uuid_v7(self.now)
    }

    fn input(&self, state: TargetState) -> PlanInput<'_> {
        let set = &*self.set;
        let TargetState { sessions, more, subject_known } = state;
        let budget_left = PARTICIPANT_BUDGET.saturating_sub(set.deliveries.len());
        PlanInput {
            now: self.now,
            max_age: self.config.max_age,
            lifetimes: self.config.lifetimes,
            clients: &set.clients,
            sessions,
            more_sessions: more,
            subject_known,
            ended_since: None,
            unfinished_end: None,
            next_end: set.next_end(),
            participant_budget: budget_left.min(PARTICIPANT_BUDGET_OF_ONE),
            waiting: &set.waiting,
            subjects: &self.config.subjects,
        }
    }
}

/// The result of an event that was accepted before.
fn accepted_before(set: &WorkingSet, key: &EventKey, event: &Event) -> Result<Option<Stored>, AcceptError> {
    let in_group = set.accepted(key).map(|earlier| {
        let receipt = StoredReceipt::Loaded(earlier.receipt.clone());
        let stored = Stored { receipt, duplicate: true, unfinished_end: earlier.end };
        (digest::compare(event, &earlier.digest), stored)
    });
    let earlier = in_group.or_else(|| {
        let earlier = set.accepted_before(key)?;
        Some((digest::compare(event, &earlier.digest), repetition_of(earlier)))
    });
    match earlier {
        Some((Comparison::Same, stored)) => Ok(Some(stored)),
        Some((Comparison::Different, _)) => Err(AcceptError::IdReused),
        // Applying a repetition again does less harm than dropping another event.
        Some((Comparison::Unknown, _)) | None => Ok(repeats_unattributed(set, key, event)),
    }
}

/// The result of an event that repeats one from before reporters were stored with events. Only an event with the same
/// data is a repetition, so no reporter can block an id for another.
fn repeats_unattributed(set: &WorkingSet, key: &EventKey, event: &Event) -> Option<Stored> {
    let mut elsewhere = set.elsewhere.get(key)?.iter();
    let same = |earlier: &&AcceptedElsewhere| {
        earlier.reporter.is_none() && digest::compare(event, &earlier.accepted.digest) == Comparison::Same
    };
    elsewhere.find(same).map(|earlier| repetition_of(&earlier.accepted))
}

/// The answer may be long, and is read outside the writer.
fn repetition_of(earlier: &AcceptedBefore) -> Stored {
    let receipt = StoredReceipt::InStore(earlier.answer.clone());
    Stored { receipt, duplicate: true, unfinished_end: earlier.end }
}

/// The subject end of a plan that leaves sessions for later transactions.
fn unfinished_end(plan: &Plan) -> Option<EndNumber> {
    plan.subject_end.as_ref().filter(|_| plan.more).map(|end| end.number)
}

/// The user and the start of a session, to look for subject ends since.
pub(super) fn session_start(event: &Event) -> Option<(Sub, Timestamp)> {
    match (&event.body, event.time) {
        (EventBody::Created(created), Some(time)) => Some((created.sub.clone(), normalized(time))),
        _ => None,
    }
}
