//! Fixtures for unit tests: events about sessions of the user `alice`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::event::{NamedClients, SessionCreated, SessionTerminated, Target};
use super::ids::{ClientId, Sub};
use super::initiator::Initiator;
use super::metadata::SessionMetadata;
use super::session::Flow;
use super::session_details::SessionDetails;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn client_id(text: &str) -> ClientId {
    text.parse().unwrap()
}

pub(crate) fn sub(text: &str) -> Sub {
    text.parse().unwrap()
}

pub(crate) fn metadata(pairs: &[(&str, &str)]) -> SessionMetadata {
    let pairs: BTreeMap<_, _> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    pairs.try_into().unwrap()
}

/// Clients without a client-specific `sub`.
pub(crate) fn named(ids: &[&str]) -> NamedClients {
    ids.iter().map(|id| (client_id(id), None)).collect()
}

/// `session.created` for alice.
pub(crate) fn created(sid: &str, clients: &[&str]) -> SessionCreated {
    SessionCreated {
        sid: sid.parse().unwrap(),
        sub: sub("alice"),
        clients: named(clients),
        session_metadata: SessionMetadata::default(),
        authenticated_at: None,
        idle_expires_at: None,
        expires_at: None,
        flow: Flow::Browser,
        details: SessionDetails::default(),
    }
}

/// `session.terminated` of a session, or of every session of a subject.
pub(crate) fn terminated(sid: Option<&str>, subject: Option<&str>) -> SessionTerminated {
    let target = match sid {
        Some(sid) => Target::Session { sid: sid.parse().unwrap(), sub: subject.map(sub) },
        None => Target::Subject(sub(subject.unwrap())),
    };
    SessionTerminated {
        target,
        initiator: Initiator::RpLogout,
        clients: NamedClients::new(),
        session_metadata: SessionMetadata::default(),
        exclude_clients: BTreeSet::new(),
    }
}
