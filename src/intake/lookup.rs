//! What the store is asked before a group of requests is planned: a few questions for all of them.

use std::collections::BTreeSet;

use super::request::Request;
use super::working_set::WorkingSet;
use crate::domain::event::{EventBody, NamedClients, Target};
use crate::domain::ids::{ClientId, Sub};
use crate::domain::pairwise::Subjects;
use crate::storage::{IntakeTransaction, StorageError, Wanted};

/// Looks up what a group of requests is about.
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
    }
    wanted.events.extend(group.iter().flat_map(Request::event_keys));

    let mut set = WorkingSet::new(transaction.load(&wanted).await?);
    named.extend(set.participants().cloned());
    set.clients = transaction.clients(&named).await?;
    if !wanted.subs.is_empty() {
        let subs = told_alone(subjects, &set, group, &wanted.subs);
        set.waiting = transaction.waiting_subjects(&subs).await?;
    }
    Ok(set)
}

/// The clients an event names.
fn named_clients(body: &EventBody) -> Box<dyn Iterator<Item = &ClientId> + '_> {
    match body {
        EventBody::Created(it) => Box::new(it.clients.keys()),
        EventBody::ClientAdded(it) => Box::new(std::iter::once(&it.client_id)),
        EventBody::Updated(_) => Box::new(std::iter::empty()),
        EventBody::Terminated(it) => Box::new(it.clients.keys().chain(&it.exclude_clients)),
    }
}

/// The `sub`s by which clients are told that every session of one of the users `ended` ended. One that is
/// missing here costs no more than a second token.
fn told_alone(
    subjects: &Subjects,
    set: &WorkingSet,
    group: &[Request],
    ended: &BTreeSet<Sub>,
) -> BTreeSet<Sub> {
    let mut told = BTreeSet::new();
    let mut add = |public: Option<&Sub>, clients: &NamedClients| {
        if public.is_none_or(|public| !ended.contains(public)) {
            return;
        }
        for (client_id, own) in clients {
            let Some(registration) = set.clients.get(client_id) else { continue };
            let sub = subjects.sub_for(&registration.client, own.as_ref(), public);
            told.extend(sub.map(|told| told.sub));
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
    told
}
