//! Changes of sessions that no source reports: by operators, and by expiry.

use std::collections::{BTreeSet, HashSet};

use uuid::Uuid;

use super::event_time::EventTime;
use super::planner::{Planner, check_metadata};
use super::{KnownSession, Plan, PlanInput, Refusal};
use crate::domain::event::{NamedClients, SessionTerminated, Target};
use crate::domain::ids::Sid;
use crate::domain::initiator::Initiator;
use crate::domain::metadata::SessionMetadata;
use crate::domain::session::{Ended, Member, Session, SessionKey};

/// A change of sessions that no source reports. It needs no idempotency key: to apply it twice has the effect of
/// applying it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Replaces the metadata of a live session.
    ReplaceMetadata {
        /// The session.
        sid: Sid,
        /// The new metadata, whole.
        session_metadata: SessionMetadata,
        /// What must hold for it.
        precondition: Precondition,
    },
    /// Ends a session, or every session of a user, with `session-revoked`.
    Revoke {
        /// What ends.
        target: Target,
        /// What must hold for it; not checked for all sessions of a user.
        precondition: Precondition,
    },
    /// Ends those of these sessions that have expired, with `session-expired`.
    Expire(Vec<(Sid, SessionKey)>),
}

/// What must hold for a session if a command is to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    None,
    /// It has not ended.
    Lives,
    /// It has not ended, and its revision is still one of these.
    Revision(Vec<u64>),
}

impl Precondition {
    fn check(&self, session: Option<&Session>) -> Result<(), CommandRefusal> {
        let Some(session) = session else { return Ok(()) };
        let holds = match self {
            Self::None => true,
            Self::Lives => session.ended.is_none(),
            Self::Revision(revisions) => session.ended.is_none() && revisions.contains(&session.revision),
        };
        if holds { Ok(()) } else { Err(CommandRefusal::Revision) }
    }
}

/// Why a command cannot be applied. Nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefusal {
    /// For a reason that events are refused for too.
    #[error(transparent)]
    Plan(#[from] Refusal),
    /// The session was changed since its revision was read.
    #[error("the session was changed by another request meanwhile; read it again")]
    Revision,
}

/// Works out what follows from a command. `input.sessions` has all sessions it is about.
pub fn plan_command(
    command: &Command,
    input: PlanInput<'_>,
    new_id: &mut dyn FnMut() -> Uuid,
) -> Result<Plan, CommandRefusal> {
    let (mut planner, known) = Planner::new(input, new_id);
    // Sessions end whether every client can be reached or not: the sender of a command cannot repair a client first.
    planner.refuse_unreachable = false;
    match command {
        Command::ReplaceMetadata { sid: _, session_metadata, precondition } => {
            let known = planner.live(known.session())?;
            let KnownSession { mut session, deliveries } = known;
            precondition.check(Some(&session))?;
            check_metadata(session.flow, session_metadata)?;
            session.session_metadata = session_metadata.clone();
            // The change is newer than every report so far, even if those came from a clock that is ahead.
            let at = planner.now.max(session.last_reported_at());
            session.reported.insert(Member::SessionMetadata, at);
            planner.store(session, deliveries)?;
        }
        Command::Revoke { target, precondition } => {
            let event = revocation(target.clone());
            let time = EventTime::new(None, planner.now);
            match target {
                Target::Session { sid, sub } => {
                    let known = known.session();
                    precondition.check(known.as_ref().map(|it| &it.session))?;
                    planner.session_terminated(&event, time, sid, sub.as_ref(), known)?;
                }
                Target::Subject(sub) => planner.subject_terminated(&event, time, sub, known)?,
            }
        }
        Command::Expire(expired) => planner.expire(known.sessions, expired)?,
    }
    Ok(planner.plan)
}

impl Planner<'_> {
    /// Ends those of the sessions that have expired, until the participant budget is used up.
    fn expire(&mut self, sessions: Vec<KnownSession>, expired: &[(Sid, SessionKey)]) -> Result<(), Refusal> {
        let expired: HashSet<_> = expired.iter().map(|(sid, key)| (sid, key)).collect();
        for known in sessions {
            if self.is_full() {
                self.plan.more = true;
                break;
            }
            let session = &known.session;
            // It may have ended, been replaced or been prolonged since it was found expired.
            let due = session.ended.is_none() && session.ends_at().is_some_and(|at| at <= self.now);
            if due && expired.contains(&(&session.sid, &session.key)) {
                self.plan.sids.push(session.sid.clone());
                let end = Ended { at: self.now, initiator: Initiator::SessionExpired };
                self.end(known, end, &BTreeSet::new(), &SessionMetadata::default())?;
            }
        }
        Ok(())
    }
}

/// The end of sessions by an operator, as if it had been reported.
fn revocation(target: Target) -> SessionTerminated {
    SessionTerminated {
        target,
        initiator: Initiator::SessionRevoked,
        clients: NamedClients::new(),
        session_metadata: SessionMetadata::default(),
        exclude_clients: BTreeSet::new(),
    }
}
