//! What follows from each request of a group: the planner is asked, event by event, and its plans are added up.

use jiff::Timestamp;

use super::answer::{CarriedOut, Stored, Told};
use super::digest::{self, Comparison};
use super::guard::SensitiveMetadata;
use super::request::{Answer, Request, of_command, of_event};
use super::working_set::{About, WorkingSet, deliveries, receipt};
use super::writer::WriterConfig;
use super::{AcceptError, CommandError};
use crate::domain::event::{Event, EventBody, Target};
use crate::domain::ids::Sub;
use crate::domain::metadata::sensitive::Finding;
use crate::domain::plan::{Command, Plan, Refusal, Situation, plan, plan_command, plan_rest};
use crate::domain::session::{EndNumber, SubjectEnd};
use crate::domain::time::kept;
use crate::storage::{AcceptedBefore, AcceptedElsewhere, AcceptedEvent, EventKey};

/// After how many participants in a transaction the rest of a user's sessions, or of those that have expired, is
/// left for others: few enough that no event waits for long.
const ROOM: usize = 2_000;

/// The same for one event or command: it is not to take a transaction alone, where others wait for the next.
const ROOM_OF_ONE: usize = 200;

/// How many clients a batch may be about: those it names, and those that take part in the sessions it is about. It is
/// stored in one transaction.
pub(super) const MAX_WEIGHT: usize = 10_000;

/// Why an event of a request is refused.
enum Refused {
    IdReused,
    Plan(Refusal),
    Sensitive(SensitiveMetadata),
}

impl WriterConfig {
    /// Plans all of a request, or nothing of it.
    pub(super) fn plan(&self, set: &mut WorkingSet, request: &Request, now: Timestamp) -> Answer {
        set.begin_request();
        let (answer, refused) = match request {
            Request::Events { events, keys, findings, .. } => {
                let planned = if events.len() > 1 && request.weight(set) > MAX_WEIGHT {
                    Err(AcceptError::TooMuch)
                } else {
                    self.plan_events(set, events, keys, findings, now)
                };
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
        events: &[Event],
        keys: &[EventKey],
        findings: &[Vec<Finding>],
        now: Timestamp,
    ) -> Result<Vec<Stored>, AcceptError> {
        let each = events.iter().zip(keys).zip(findings).enumerate();
        let planned = each.map(|(index, ((event, key), findings))| {
            self.plan_event(set, event, key, findings, now).map_err(|refused| match refused {
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
        event: &Event,
        key: &EventKey,
        findings: &[Finding],
        now: Timestamp,
    ) -> Result<Stored, Refused> {
        if let Some(earlier) = accepted_before(set, key, event)? {
            return Ok(earlier);
        }
        self.guard.admit(findings).map_err(Refused::Sensitive)?;
        let target = of_event(&event.body);
        self.catch_up(set, &target, now);
        let mut situation = self.situation(set, set.about(&target), now);
        if let EventBody::Created(created) = &event.body {
            situation.being_ended = set.being_ended(&created.sub);
            let since = event.time.map(|time| set.ended_since(&created.sub, kept(time)));
            situation.ended_since = since.flatten();
        }
        let plan =
            plan(event, situation, &mut || self.ambient.entropy.uuid_v7(now)).map_err(Refused::Plan)?;
        let (receipt, rest) = (receipt(&event.id, &plan), unfinished(&plan));
        set.apply(plan);
        set.remember(
            key.clone(),
            AcceptedEvent { digest: digest::of(event), receipt: receipt.clone(), end: rest },
        );
        Ok(Stored { told: Told::Receipt(receipt), duplicate: false, rest })
    }

    fn plan_command(
        &self,
        set: &mut WorkingSet,
        command: &Command,
        findings: &[Finding],
        now: Timestamp,
    ) -> Result<CarriedOut, CommandError> {
        self.guard.admit(findings)?;
        let mut about = About { sessions: Vec::new(), more: false, subject_known: false };
        for target in of_command(command) {
            let is_full = set.deliveries.len() >= ROOM;
            if matches!(command, Command::Expire(_)) && is_full && set.to_be_ended(&target).is_some() {
                // It is still there the next time.
                continue;
            }
            self.catch_up(set, &target, now);
            let found = set.about(&target);
            about.sessions.extend(found.sessions);
            about.more |= found.more;
            about.subject_known |= found.subject_known;
        }
        let situation = self.situation(set, about, now);
        let plan = plan_command(command, situation, &mut || self.ambient.entropy.uuid_v7(now))?;
        let changed = match command {
            Command::ReplaceMetadata { .. } => plan.sessions.first().cloned().map(Box::new),
            Command::Revoke { .. } | Command::Expire(_) => None,
        };
        let carried_out = CarriedOut {
            sessions: plan.sids.clone(),
            changed,
            deliveries: deliveries(&plan),
            untold: plan.untold.clone(),
            rest: unfinished(&plan),
            is_complete: !plan.more,
        };
        set.apply(plan);
        Ok(carried_out)
    }

    /// Whatever is done to a session comes after an end of all its user's sessions that was accepted before, though that
    /// has not got to it yet.
    fn catch_up(&self, set: &mut WorkingSet, target: &Target, now: Timestamp) {
        if let Some((known, end)) = set.to_be_ended(target) {
            let about = About { sessions: vec![known], more: false, subject_known: true };
            // One session has no more clients than there is always room for.
            let plan = self.plan_rest(set, &end, about, usize::MAX, now);
            set.apply_part(end.number, plan);
        }
    }

    /// Ends sessions that an end is about which was accepted before.
    pub(super) fn plan_rest(
        &self,
        set: &WorkingSet,
        end: &SubjectEnd,
        about: About,
        room: usize,
        now: Timestamp,
    ) -> Plan {
        let situation = Situation { room, ..self.situation(set, about, now) };
        plan_rest(end, set.told_of(end), situation, &mut || self.ambient.entropy.uuid_v7(now))
    }

    fn situation<'s>(&'s self, set: &'s WorkingSet, about: About, now: Timestamp) -> Situation<'s> {
        let About { sessions, more, subject_known } = about;
        Situation {
            now,
            max_age: self.max_age,
            lifetimes: self.lifetimes,
            clients: &set.clients,
            sessions,
            more_sessions: more,
            subject_known,
            ended_since: None,
            being_ended: None,
            next_end: set.next_end(),
            room: ROOM.saturating_sub(set.deliveries.len()).min(ROOM_OF_ONE),
            waiting: &set.waiting,
            subjects: &self.subjects,
        }
    }
}

/// What was answered to this event, if it was accepted before.
fn accepted_before(set: &WorkingSet, key: &EventKey, event: &Event) -> Result<Option<Stored>, Refused> {
    let in_group = set.accepted(key).map(|earlier| {
        let stored =
            Stored { told: Told::Receipt(earlier.receipt.clone()), duplicate: true, rest: earlier.end };
        (digest::compare(event, &earlier.digest), stored)
    });
    let earlier = in_group.or_else(|| {
        let earlier = set.accepted_before(key)?;
        Some((digest::compare(event, &earlier.digest), repetition_of(earlier)))
    });
    match earlier {
        Some((Comparison::Same, stored)) => Ok(Some(stored)),
        Some((Comparison::Different, _)) => Err(Refused::IdReused),
        // To act on a repetition again does less harm than to drop another event.
        Some((Comparison::Unknown, _)) | None => Ok(repeats_one_of_nobody(set, key, event)),
    }
}

/// The answer to a repetition of an event that was accepted before it was stored who reports. Nobody can use up an
/// id by that: what says something else is accepted.
fn repeats_one_of_nobody(set: &WorkingSet, key: &EventKey, event: &Event) -> Option<Stored> {
    let mut elsewhere = set.elsewhere.get(key)?.iter();
    let same = |earlier: &&AcceptedElsewhere| {
        earlier.reporter.is_none() && digest::compare(event, &earlier.accepted.digest) == Comparison::Same
    };
    elsewhere.find(same).map(|earlier| repetition_of(&earlier.accepted))
}

/// What was answered may be long, and is read without keeping the writer from others.
fn repetition_of(earlier: &AcceptedBefore) -> Stored {
    Stored { told: Told::At(earlier.answer.clone()), duplicate: true, rest: earlier.end }
}

/// The end that leaves sessions to be ended later.
fn unfinished(plan: &Plan) -> Option<EndNumber> {
    plan.subject_end.as_ref().filter(|_| plan.more).map(|end| end.number)
}

/// The user and the time of a session that began, to look for ends since.
pub(super) fn began(event: &Event) -> Option<(Sub, Timestamp)> {
    match (&event.body, event.time) {
        (EventBody::Created(created), Some(time)) => Some((created.sub.clone(), kept(time))),
        _ => None,
    }
}
