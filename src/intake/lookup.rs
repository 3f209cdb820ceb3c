//! Loads what a group of requests is planned against: a few queries for the whole group.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::planning::session_start;
use super::request::Request;
use super::working_set::WorkingSet;
use crate::domain::event::{EventBody, NamedClients, Target};
use crate::domain::ids::{ClientId, Sub};
use crate::domain::pairwise::Subjects;
use crate::domain::plan::KnownSession;
use crate::domain::session::SubjectEnd;
use crate::storage::{IntakeTransaction, Known, StorageError, Wanted};

/// The most sessions of users that are loaded for a group. The others are ended in later transactions.
const MAX_SESSIONS: usize = 2_000;

/// The most sessions of one user: more than end in one transaction.
const MAX_SESSIONS_OF_USER: usize = 250;

/// Loads what a group of requests is about.
pub(super) async fn look_up(
    transaction: &mut dyn IntakeTransaction,
    group: &[Request],
    subjects: &Subjects,
) -> Result<WorkingSet, StorageError> {
    let mut wanted = Wanted::default();
    let mut named = BTreeSet::new();
    for target in group.iter().flat_map(Request::targets) {
        match target {
            Target::Session { sid, .. } => drop(wanted.sids.insert(sid)),
            Target::Subject(sub) => drop(wanted.subs.insert(sub)),
        }
    }
    for event in group.iter().flat_map(Request::events) {
        named.extend(named_clients(&event.body).cloned());
        if let EventBody::Created(created) = &event.body {
            wanted.ends_of.insert(created.sub.clone());
            wanted.ends_since.extend(session_start(event));
        }
    }
    wanted.events.extend(group.iter().flat_map(Request::event_keys).cloned());
    wanted.sessions_of_each =
        u32::try_from((MAX_SESSIONS / wanted.subs.len().max(1)).clamp(1, MAX_SESSIONS_OF_USER))
            .unwrap_or(u32::MAX);

    let mut set = WorkingSet::new(transaction.load(&wanted).await?);
    named.extend(set.clients_concerned().cloned());
    set.clients = transaction.clients(&named).await?;
    let ended: BTreeSet<Sub> = set.subs_of_ends().cloned().chain(wanted.subs).collect();
    if !ended.is_empty() {
        let subs = subs_of_subject_tokens(subjects, &set, group, &ended);
        set.waiting = transaction.waiting_subjects(&subs).await?;
    }
    Ok(set)
}

/// Loads what a batch of a subject end is about.
pub(super) async fn look_up_end(
    transaction: &mut dyn IntakeTransaction,
    end: &Arc<SubjectEnd>,
    sessions: &[KnownSession],
    subjects: &Subjects,
) -> Result<WorkingSet, StorageError> {
    let known = Known { sessions: sessions.to_vec(), unfinished: vec![Arc::clone(end)], ..Known::default() };
    let mut set = WorkingSet::new(known);
    let concerned = set.clients_concerned().cloned().collect();
    set.clients = transaction.clients(&concerned).await?;
    let subs = subs_of_subject_tokens(subjects, &set, &[], &BTreeSet::from([end.sub.clone()]));
    set.waiting = transaction.waiting_subjects(&subs).await?;
    Ok(set)
}

/// The clients that an event names.
fn named_clients(body: &EventBody) -> Box<dyn Iterator<Item = &ClientId> + '_> {
    match body {
        EventBody::Created(it) => Box::new(it.clients.keys()),
        EventBody::ClientAdded(it) => Box::new(std::iter::once(&it.client_id)),
        EventBody::Updated(_) => Box::new(std::iter::empty()),
        EventBody::Terminated(it) => Box::new(it.clients.keys().chain(&it.exclude_clients)),
    }
}

/// The `sub`s in tokens without a `sid` about the users in `ended`. One that is missing here costs no more than a second
/// token.
fn subs_of_subject_tokens(
    subjects: &Subjects,
    set: &WorkingSet,
    group: &[Request],
    ended: &BTreeSet<Sub>,
) -> BTreeSet<Sub> {
    let mut subs = BTreeSet::new();
    let mut add = |public: Option<&Sub>, clients: &NamedClients| {
        if public.is_none_or(|public| !ended.contains(public)) {
            return;
        }
        for (client_id, own) in clients {
            let Some(registration) = set.clients.get(client_id) else { continue };
            let sub = subjects.sub_for(&registration.client, own.as_ref(), public);
            subs.extend(sub.map(|it| it.sub));
        }
    };
    for session in set.sessions() {
        add(session.sub.as_ref(), &session.participants);
    }
    for event in group.iter().flat_map(Request::events) {
        match &event.body {
            EventBody::Created(it) => add(Some(&it.sub), &it.clients),
            EventBody::Terminated(it) => match &it.target {
                Target::Subject(sub) => add(Some(sub), &it.clients),
                Target::Session { .. } => {}
            },
            EventBody::ClientAdded(_) | EventBody::Updated(_) => {}
        }
    }
    subs
}
