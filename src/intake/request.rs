//! What waits for the writer: events of a source, or a command; each with the one who waits for the answer.

use std::collections::HashSet;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::answer::Stored;
use super::planning::began;
use super::room::Charge;
use super::working_set::WorkingSet;
use super::{AcceptError, CarriedOut, CommandError};
use crate::domain::event::{Event, EventBody, Target};
use crate::domain::metadata::SessionMetadata;
use crate::domain::metadata::sensitive::Finding;
use crate::domain::plan::Command;
use crate::storage::{EventKey, StorageError};

/// A request. All of it is stored, or nothing.
pub(super) enum Request {
    /// A source reported these.
    Events {
        events: Vec<Event>,
        /// The idempotency key of each.
        keys: Vec<EventKey>,
        /// What was found in the metadata of each.
        findings: Vec<Vec<Finding>>,
        answer: oneshot::Sender<Result<Vec<Stored>, AcceptError>>,
        /// Its part of the events that may wait, and of the memory, given back when it was answered.
        room: OwnedSemaphorePermit,
        charge: Charge,
    },
    /// An operator, or the clock.
    Command {
        command: Command,
        /// What was found in its metadata.
        findings: Vec<Finding>,
        answer: oneshot::Sender<Result<CarriedOut, CommandError>>,
    },
}

/// What is answered to a [`Request`] of the same kind.
pub(super) enum Answer {
    Events(Result<Vec<Stored>, AcceptError>),
    Command(Result<CarriedOut, CommandError>),
}

impl Request {
    /// How many events, or sessions, it is about.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Events { events, .. } => events.len(),
            Self::Command { command: Command::Expire(expired), .. } => expired.len(),
            Self::Command { .. } => 1,
        }
    }

    /// How many clients it is about: those it names, and those of its sessions. Never fewer than the deliveries that it
    /// can make in one transaction; what is too much of a user's sessions is left for others anyway. Events that were
    /// accepted before weigh nothing, so that a repetition is answered as the first was.
    pub(super) fn weight(&self, set: &WorkingSet) -> usize {
        match self {
            Self::Events { events, keys, .. } => {
                let is_new =
                    |key: &EventKey| set.accepted(key).is_none() && set.accepted_before(key).is_none();
                let each = events.iter().zip(keys);
                let new: Vec<&Event> = each.filter(|(_, key)| is_new(key)).map(|(event, _)| event).collect();
                let named = new.iter().map(|event| named_by(event, set)).sum::<usize>();
                let targets: HashSet<_> = new.iter().map(|event| of_event(&event.body)).collect();
                named + targets.iter().map(|target| set.weight(target)).sum::<usize>()
            }
            // As many as there is room for, whatever comes.
            Self::Command { command: Command::Expire(_), .. } => 0,
            Self::Command { command, .. } => {
                of_command(command).iter().map(|target| set.weight(target)).sum()
            }
        }
    }

    /// The events, if it is of a source.
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

    /// How much memory it is charged for, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Events { charge, .. } => charge.bytes(),
            Self::Command { .. } => 0,
        }
    }

    /// Which sessions it is about.
    pub(super) fn targets(&self) -> Vec<Target> {
        match self {
            Self::Events { events, .. } => events.iter().map(|event| of_event(&event.body)).collect(),
            Self::Command { command, .. } => of_command(command),
        }
    }

    /// The store failed.
    pub(super) fn failed(&self, error: &StorageError) -> Answer {
        match (self, error.is_corrupt()) {
            (Self::Events { .. }, false) => Answer::Events(Err(AcceptError::Unavailable)),
            (Self::Events { .. }, true) => Answer::Events(Err(AcceptError::Unreadable)),
            (Self::Command { .. }, false) => Answer::Command(Err(CommandError::Unavailable)),
            (Self::Command { .. }, true) => Answer::Command(Err(CommandError::Unreadable)),
        }
    }

    /// Answers it. One who hung up meanwhile will ask again and be told then.
    pub(super) fn reply(self, with: Answer) {
        match (self, with) {
            (Self::Events { answer, room, charge, .. }, Answer::Events(with)) => {
                let _ = answer.send(with);
                drop((room, charge));
            }
            (Self::Command { answer, .. }, Answer::Command(with)) => drop(answer.send(with)),
            _ => unreachable!("an answer is of its request's kind"),
        }
    }
}

/// How many clients an event names, or is known to bring.
fn named_by(event: &Event, set: &WorkingSet) -> usize {
    match &event.body {
        EventBody::Created(it) => {
            let since = began(event).and_then(|(sub, time)| set.ended_since(&sub, time));
            it.clients.len() + since.map_or(0, |end| end.clients.len())
        }
        EventBody::ClientAdded(_) => 1,
        EventBody::Updated(_) => 0,
        EventBody::Terminated(it) => it.clients.len(),
    }
}

/// Which session or sessions an event is about.
pub(super) fn of_event(body: &EventBody) -> Target {
    match body {
        EventBody::Created(it) => Target::Session { sid: it.sid.clone(), sub: None },
        EventBody::ClientAdded(it) => Target::Session { sid: it.sid.clone(), sub: None },
        EventBody::Updated(it) => Target::Session { sid: it.sid.clone(), sub: None },
        EventBody::Terminated(it) => it.target.clone(),
    }
}

/// Which sessions a command is about.
pub(super) fn of_command(command: &Command) -> Vec<Target> {
    match command {
        Command::ReplaceMetadata { sid, .. } => vec![Target::Session { sid: sid.clone(), sub: None }],
        Command::Revoke { target, .. } => vec![target.clone()],
        Command::Expire(expired) => {
            expired.iter().map(|(sid, _)| Target::Session { sid: sid.clone(), sub: None }).collect()
        }
    }
}

/// The metadata that an event brings.
pub(super) fn metadata_of_event(body: &EventBody) -> Option<&SessionMetadata> {
    match body {
        EventBody::Created(it) => Some(&it.session_metadata),
        EventBody::ClientAdded(_) => None,
        EventBody::Updated(it) => it.session_metadata.as_ref(),
        EventBody::Terminated(it) => Some(&it.session_metadata),
    }
}

/// The metadata that a command brings.
pub(super) fn metadata_of_command(command: &Command) -> Option<&SessionMetadata> {
    match command {
        Command::ReplaceMetadata { session_metadata, .. } => Some(session_metadata),
        Command::Revoke { .. } | Command::Expire(_) => None,
    }
}
