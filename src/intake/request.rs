//! The requests in the writer's queue: events of a source, or a command.

use std::collections::HashSet;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::memory::MemoryPermit;
use super::planning::session_start;
use super::results::{CommandOutcome, EventResult, all_failed};
use super::working_set::WorkingSet;
use super::{AcceptError, CommandError};
use crate::domain::event::{Event, EventBody, Target};
use crate::domain::metadata::SessionMetadata;
use crate::domain::metadata::sensitive::Finding;
use crate::domain::plan::Command;
use crate::storage::{EventKey, StorageError};

/// A request. It is stored whole or not at all.
pub(super) enum Request {
    /// Events of a source.
    Events {
        events: Vec<Event>,
        /// The idempotency key of each.
        keys: Vec<EventKey>,
        /// What looks sensitive in the metadata of each.
        findings: Vec<Vec<Finding>>,
        answer: oneshot::Sender<Vec<EventResult>>,
        /// Its share of [`MAX_QUEUED_EVENTS`](super::MAX_QUEUED_EVENTS).
        permit: OwnedSemaphorePermit,
        memory: MemoryPermit,
    },
    /// A command of an operator, or of expiry.
    Command {
        command: Command,
        /// What looks sensitive in its metadata.
        findings: Vec<Finding>,
        answer: oneshot::Sender<Result<CommandOutcome, CommandError>>,
    },
}

/// The answer to a [`Request`] of the same kind.
pub(super) enum Answer {
    /// The result of each event.
    Events(Vec<EventResult>),
    Command(Result<CommandOutcome, CommandError>),
}

impl Request {
    /// How many events it has, or sessions it is about.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Events { events, .. } => events.len(),
            Self::Command { command: Command::Expire(expired), .. } => expired.len(),
            Self::Command { .. } => 1,
        }
    }

    /// How many clients it is about: those that it names, and those of its sessions. It makes no more deliveries in one
    /// transaction; sessions of a user that are too many are left for later ones. Events that were accepted before do not
    /// count, so that a repetition gets the same answer.
    pub(super) fn client_count(&self, set: &WorkingSet) -> usize {
        match self {
            Self::Events { events, keys, .. } => {
                let is_new =
                    |key: &EventKey| set.accepted(key).is_none() && set.accepted_before(key).is_none();
                let each = events.iter().zip(keys);
                let new: Vec<&Event> = each.filter(|(_, key)| is_new(key)).map(|(event, _)| event).collect();
                let named = new.iter().map(|event| named_by(event, set)).sum::<usize>();
                let targets: HashSet<_> = new.iter().map(|event| of_event(&event.body)).collect();
                named + targets.iter().map(|target| set.client_count(target)).sum::<usize>()
            }
            // Limited by the participant budget.
            Self::Command { command: Command::Expire(_), .. } => 0,
            Self::Command { command, .. } => {
                of_command(command).iter().map(|target| set.client_count(target)).sum()
            }
        }
    }

    /// Its events.
    pub(super) fn events(&self) -> &[Event] {
        match self {
            Self::Events { events, .. } => events,
            Self::Command { .. } => &[],
        }
    }

    /// The idempotency key of each of its events.
    pub(super) fn event_keys(&self) -> &[EventKey] {
        match self {
            Self::Events { keys, .. } => keys,
            Self::Command { .. } => &[],
        }
    }

    /// How much memory is reserved for it, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Events { memory, .. } => memory.bytes(),
            Self::Command { .. } => 0,
        }
    }

    /// The sessions that it is about.
    pub(super) fn targets(&self) -> Vec<Target> {
        match self {
            Self::Events { events, .. } => events.iter().map(|event| of_event(&event.body)).collect(),
            Self::Command { command, .. } => of_command(command),
        }
    }

    /// Its answer if the store failed.
    pub(super) fn failed(&self, error: &StorageError) -> Answer {
        match self {
            Self::Events { events, .. } => {
                Answer::Events(all_failed(events.len(), &AcceptError::of_store(error)))
            }
            Self::Command { .. } => Answer::Command(Err(CommandError::of_store(error))),
        }
    }

    /// Answers it. A sender that is gone by now repeats the request and gets the answer then.
    pub(super) fn reply(self, with: Answer) {
        match (self, with) {
            (Self::Events { answer, permit, memory, .. }, Answer::Events(with)) => {
                let _ = answer.send(with);
                drop((permit, memory));
            }
            (Self::Command { answer, .. }, Answer::Command(with)) => drop(answer.send(with)),
            _ => unreachable!("an answer is of its request's kind"),
        }
    }
}

/// How many clients an event names, itself or through a subject end that covers its session.
fn named_by(event: &Event, set: &WorkingSet) -> usize {
    match &event.body {
        EventBody::Created(it) => {
            let since = session_start(event).and_then(|(sub, time)| set.ended_since(&sub, time));
            it.clients.len() + since.map_or(0, |end| end.clients.len())
        }
        EventBody::ClientAdded(_) => 1,
        EventBody::Updated(_) => 0,
        EventBody::Terminated(it) => it.clients.len(),
    }
}

/// The session or sessions that an event is about.
pub(super) fn of_event(body: &EventBody) -> Target {
    match body {
        EventBody::Created(it) => Target::Session { sid: it.sid.clone(), sub: None },
        EventBody::ClientAdded(it) => Target::Session { sid: it.sid.clone(), sub: None },
        EventBody::Updated(it) => Target::Session { sid: it.sid.clone(), sub: None },
        EventBody::Terminated(it) => it.target.clone(),
    }
}

/// The sessions that a command is about.
pub(super) fn of_command(command: &Command) -> Vec<Target> {
    match command {
        Command::ReplaceMetadata { sid, .. } => vec![Target::Session { sid: sid.clone(), sub: None }],
        Command::Revoke { target, .. } => vec![target.clone()],
        Command::Expire(expired) => {
            expired.iter().map(|(sid, _)| Target::Session { sid: sid.clone(), sub: None }).collect()
        }
    }
}

/// The metadata in an event.
pub(super) fn metadata_of_event(body: &EventBody) -> Option<&SessionMetadata> {
    match body {
        EventBody::Created(it) => Some(&it.session_metadata),
        EventBody::ClientAdded(_) => None,
        EventBody::Updated(it) => it.session_metadata.as_ref(),
        EventBody::Terminated(it) => Some(&it.session_metadata),
    }
}

/// The metadata in a command.
pub(super) fn metadata_of_command(command: &Command) -> Option<&SessionMetadata> {
    match command {
        Command::ReplaceMetadata { session_metadata, .. } => Some(session_metadata),
        Command::Revoke { .. } | Command::Expire(_) => None,
    }
}
