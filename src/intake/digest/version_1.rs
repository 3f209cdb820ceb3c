//! Version 1: the JSON form that the types of the first release had. It is written out here so that the types can change.
//! New events do not get it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::event::{
    ClientAdded, EventBody, NamedClients, SessionCreated, SessionTerminated, SessionUpdated, Target,
};
use crate::domain::ids::{ClientId, Sub};
use crate::domain::metadata::SessionMetadata;

#[derive(Serialize)]
enum Body<'a> {
    Created {
        sid: &'a str,
        sub: &'a str,
        clients: Clients<'a>,
        session_metadata: &'a BTreeMap<String, String>,
        authenticated_at: Option<Timestamp>,
        idle_expires_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
        flow: &'a str,
    },
    ClientAdded {
        sid: &'a str,
        client_id: &'a str,
        sub: Option<&'a str>,
    },
    Updated {
        sid: &'a str,
        session_metadata: Option<&'a BTreeMap<String, String>>,
        idle_expires_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
    },
    Terminated {
        target: Ended<'a>,
        initiator: &'a str,
        clients: Clients<'a>,
        session_metadata: &'a BTreeMap<String, String>,
        exclude_clients: BTreeSet<&'a str>,
    },
}

type Clients<'a> = BTreeMap<&'a str, Option<&'a str>>;

#[derive(Serialize)]
enum Ended<'a> {
    Session { sid: &'a str, sub: Option<&'a str> },
    Subject(&'a str),
}

/// The digest's input; `None` for an event with data for which the first release had no member, since it accepted no
/// such event.
pub(super) fn encode(body: &EventBody) -> Option<Vec<u8>> {
    let body = match body {
        EventBody::Created(it) => created(it),
        EventBody::ClientAdded(it) => Some(client_added(it)),
        EventBody::Updated(it) => updated(it),
        EventBody::Terminated(it) => Some(terminated(it)),
    };
    body.map(|body| serde_json::to_vec(&body).expect("it has string keys and no failing serializers"))
}

// Destructured without `..`: for an event that has a member which is added later, these return `None`.

fn created(event: &SessionCreated) -> Option<Body<'_>> {
    let SessionCreated {
        sid,
        sub,
        clients,
        session_metadata,
        authenticated_at,
        idle_expires_at,
        expires_at,
        flow,
        details,
    } = event;
    if !details.is_empty() {
        return None;
    }
    Some(Body::Created {
        sid: sid.as_str(),
        sub: sub.as_str(),
        clients: named(clients),
        session_metadata: session_metadata.entries(),
        authenticated_at: *authenticated_at,
        idle_expires_at: *idle_expires_at,
        expires_at: *expires_at,
        flow: flow.as_str(),
    })
}

fn client_added(event: &ClientAdded) -> Body<'_> {
    let ClientAdded { sid, client_id, sub } = event;
    let sub = sub.as_ref().map(Sub::as_str);
    Body::ClientAdded { sid: sid.as_str(), client_id: client_id.as_str(), sub }
}

fn updated(event: &SessionUpdated) -> Option<Body<'_>> {
    let SessionUpdated { sid, session_metadata, idle_expires_at, expires_at, details } = event;
    if !details.is_empty() {
        return None;
    }
    Some(Body::Updated {
        sid: sid.as_str(),
        session_metadata: session_metadata.as_ref().map(SessionMetadata::entries),
        idle_expires_at: *idle_expires_at,
        expires_at: *expires_at,
    })
}

fn terminated(event: &SessionTerminated) -> Body<'_> {
    let SessionTerminated { target, initiator, clients, session_metadata, exclude_clients } = event;
    let target = match target {
        Target::Session { sid, sub } => {
            Ended::Session { sid: sid.as_str(), sub: sub.as_ref().map(Sub::as_str) }
        }
        Target::Subject(sub) => Ended::Subject(sub.as_str()),
    };
    Body::Terminated {
        target,
        initiator: initiator.as_str(),
        clients: named(clients),
        session_metadata: session_metadata.entries(),
        exclude_clients: exclude_clients.iter().map(ClientId::as_str).collect(),
    }
}

fn named(clients: &NamedClients) -> Clients<'_> {
    clients.iter().map(|(id, sub)| (id.as_str(), sub.as_ref().map(Sub::as_str))).collect()
}
