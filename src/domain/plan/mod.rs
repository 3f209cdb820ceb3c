//! The planner: works out what an event or a command changes, given what is stored.
//!
//! It decides which sessions change and which deliveries are made, or why the event is refused. It is pure: `intake`
//! loads a [`PlanInput`], calls [`plan`], and stores the whole [`Plan`] in one transaction.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::event::{Event, EventBody, Target};

mod command;
mod deliveries;
mod event_time;
mod events;
mod input;
mod output;
mod planner;
mod refusal;
mod subject_end;
#[cfg(test)]
mod tests;

use event_time::EventTime;
use planner::Planner;

pub use command::{Command, CommandRefusal, Precondition, plan_command};
pub use input::{KnownSession, PlanInput, Registration, WaitingSubjects};
pub use output::{Plan, Renewal};
pub use refusal::{Field, Identifier, Refusal};
pub use subject_end::plan_rest;

/// The most clients of a session. Its end makes a delivery to each of them in one transaction.
pub const MAX_CLIENTS: usize = 1_000;

/// How far a source's clock may be ahead of ours. Times within it are kept as reported, so that they order the source's
/// events even if some are sent again; a time beyond it is treated as missing. It is short because the times of
/// different sources are compared as they are: while one clock is ahead, reports of the others look old.
pub const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// Works out what follows from `event`. `new_id` returns a new time-ordered UUID at each call.
pub fn plan(event: &Event, input: PlanInput<'_>, new_id: &mut dyn FnMut() -> Uuid) -> Result<Plan, Refusal> {
    let (mut planner, known) = Planner::new(input, new_id);
    let time = EventTime::new(event.time, planner.now);
    match &event.body {
        EventBody::Created(it) => planner.created(it, known, time)?,
        EventBody::ClientAdded(it) => planner.client_added(it, known.session(), time)?,
        EventBody::Updated(it) => planner.updated(it, known.session(), time)?,
        EventBody::Terminated(it) => {
            planner.check_registered(Field::Clients, it.clients.keys())?;
            planner.check_registered(Field::ExcludeClients, it.exclude_clients.iter())?;
            match &it.target {
                Target::Session { sid, sub } => {
                    planner.session_terminated(it, time, sid, sub.as_ref(), known.session())?;
                }
                Target::Subject(sub) => planner.subject_terminated(it, time, sub, known)?,
            }
        }
    }
    Ok(planner.plan)
}
