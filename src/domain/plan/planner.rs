//! The state of one planning, and the checks that every kind of event shares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Field, KnownSession, MAX_CLIENTS, Plan, PlanInput, Refusal, Registration, WaitingSubjects};
use crate::domain::client::{Client, TokenSubject};
use crate::domain::event::NamedClients;
use crate::domain::ids::{ClientId, Sub};
use crate::domain::metadata::SessionMetadata;
use crate::domain::pairwise::Subjects;
use crate::domain::session::{EndNumber, Flow, Lifetimes, Session, SubjectEnd};
use crate::domain::time::normalized;

pub(super) struct Planner<'a> {
    pub(super) now: Timestamp,
    pub(super) max_age: Duration,
    pub(super) lifetimes: Lifetimes,
    /// Whether a client without the identifier that its tokens need is a reason to refuse everything.
    pub(super) refuse_unreachable: bool,
    pub(super) clients: &'a BTreeMap<ClientId, Registration>,
    pub(super) waiting: &'a WaitingSubjects,
    /// The recipients of tokens with a `sub` and no `sid`: of this plan, and of the end that it continues.
    pub(super) subject_recipients: BTreeSet<(ClientId, Sub)>,
    pub(super) unfinished_end: Option<EndNumber>,
    pub(super) next_end: EndNumber,
    pub(super) participant_budget: usize,
    /// How many participants the sessions have that this plan ends.
    pub(super) ended_participants: usize,
    pub(super) subjects: &'a Subjects,
    pub(super) new_id: &'a mut dyn FnMut() -> Uuid,
    pub(super) plan: Plan,
}

/// The part of a [`PlanInput`] that is consumed.
pub(super) struct Loaded {
    pub(super) sessions: Vec<KnownSession>,
    pub(super) more_sessions: bool,
    pub(super) subject_known: bool,
    pub(super) ended_since: Option<Arc<SubjectEnd>>,
}

impl Loaded {
    /// The one session that the event is about.
    pub(super) fn session(self) -> Option<KnownSession> {
        self.sessions.into_iter().next()
    }
}

impl<'a> Planner<'a> {
    pub(super) fn new(input: PlanInput<'a>, new_id: &'a mut dyn FnMut() -> Uuid) -> (Self, Loaded) {
        let PlanInput {
            now,
            max_age,
            lifetimes,
            clients,
            sessions,
            more_sessions,
            subject_known,
            ended_since,
            unfinished_end,
            next_end,
            participant_budget,
            waiting,
            subjects,
        } = input;
        let planner = Self {
            now: normalized(now),
            max_age,
            lifetimes,
            refuse_unreachable: true,
            clients,
            waiting,
            subject_recipients: BTreeSet::new(),
            unfinished_end,
            next_end,
            participant_budget,
            ended_participants: 0,
            subjects,
            new_id,
            plan: Plan::default(),
        };
        (planner, Loaded { sessions, more_sessions, subject_known, ended_since })
    }

    /// Whether enough was planned for one transaction. Every participant counts, with a delivery or without: the
    /// session's row is written with all of them.
    pub(super) fn is_full(&self) -> bool {
        self.ended_participants >= self.participant_budget
    }

    pub(super) fn check_registered<'c>(
        &self,
        field: Field,
        named: impl IntoIterator<Item = &'c ClientId>,
    ) -> Result<(), Refusal> {
        match named.into_iter().find(|client_id| !self.clients.contains_key(*client_id)) {
            Some(unknown) => Err(Refusal::UnknownClient { field, client_id: unknown.clone() }),
            None => Ok(()),
        }
    }
}

/// Whether every token of the client needs a `sid`.
pub(super) fn needs_sid(client: &Client) -> bool {
    client.backchannel_logout_session_required || client.token.subject == TokenSubject::Sid
}

/// Refuses metadata that the session's flow cannot carry.
pub(super) fn check_metadata(flow: Flow, metadata: &SessionMetadata) -> Result<(), Refusal> {
    if !metadata.is_empty() && !flow.carries_metadata() {
        return Err(Refusal::MetadataFlow(flow));
    }
    Ok(())
}

pub(super) fn check_sub(session: &Session, reported: Option<&Sub>) -> Result<(), Refusal> {
    match (&session.sub, reported) {
        (Some(known), Some(reported)) if known != reported => Err(Refusal::SubMismatch),
        _ => Ok(()),
    }
}

pub(super) fn check_client_count(session: &Session, field: Field) -> Result<(), Refusal> {
    match session.participants.len() {
        count if count > MAX_CLIENTS => Err(Refusal::TooManyClients { field, count }),
        _ => Ok(()),
    }
}

/// Adds participants. A reported `sub` of the client's own replaces the known one unless that was reported later; a
/// missing one does not erase it.
pub(super) fn add_participants(session: &mut Session, named: &NamedClients, at: Timestamp) {
    for (client_id, own_sub) in named {
        if own_sub.is_none() {
            session.participants.entry(client_id.clone()).or_default();
        } else if session.accept_sub_report(client_id, at) {
            session.participants.insert(client_id.clone(), own_sub.clone());
        }
    }
}
