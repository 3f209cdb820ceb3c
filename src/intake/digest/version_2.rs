//! Version 2: the members of an event's data by their names on the wire. It is described in [`super`] and pinned by a
//! test.
//!
//! Events are destructured without `..`, so that a new member does not compile until its place in the digest is decided.
//! It must be left out where it has its default value.

use jiff::Timestamp;

use super::encoding::{Members, list, nothing, text, time};
use super::type_of;
use crate::domain::event::{
    ClientAdded, EventBody, NamedClients, SessionCreated, SessionTerminated, SessionUpdated, Target,
};
use crate::domain::metadata::SessionMetadata;
use crate::domain::session::Flow;
use crate::domain::session_details::{AuthenticationMethod, Device, DeviceSnapshot, SessionDetails};

/// The digest's input.
pub(super) fn encode(body: &EventBody) -> Vec<u8> {
    let members = match body {
        EventBody::Created(it) => created(it),
        EventBody::ClientAdded(it) => client_added(it),
        EventBody::Updated(it) => updated(it),
        EventBody::Terminated(it) => terminated(it),
    };
    let mut bytes = b"logoutd event 2\0".to_vec();
    bytes.extend(text(type_of(body)));
    bytes.extend(members.encode());
    bytes
}

fn created(event: &SessionCreated) -> Members {
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
    let mut members = Members::default();
    members.put("sid", text(sid.as_str()));
    members.put("sub", text(sub.as_str()));
    put_clients(&mut members, clients);
    put_metadata(&mut members, session_metadata);
    put_time(&mut members, "authenticated_at", *authenticated_at);
    put_time(&mut members, "idle_expires_at", *idle_expires_at);
    put_time(&mut members, "expires_at", *expires_at);
    if *flow != Flow::default() {
        members.put("flow", text(flow.as_str()));
    }
    put_details(&mut members, details);
    members
}

fn client_added(event: &ClientAdded) -> Members {
    let ClientAdded { sid, client_id, sub } = event;
    let mut members = Members::default();
    members.put("sid", text(sid.as_str()));
    members.put("client_id", text(client_id.as_str()));
    members.put_some("sub", sub.as_ref().map(|sub| text(sub.as_str())));
    members
}

fn updated(event: &SessionUpdated) -> Members {
    let SessionUpdated { sid, session_metadata, idle_expires_at, expires_at, details } = event;
    let mut members = Members::default();
    members.put("sid", text(sid.as_str()));
    members
        .put_some("session_metadata", session_metadata.as_ref().map(|metadata| entries(metadata).encode()));
    put_time(&mut members, "idle_expires_at", *idle_expires_at);
    put_time(&mut members, "expires_at", *expires_at);
    put_details(&mut members, details);
    members
}

fn terminated(event: &SessionTerminated) -> Members {
    let SessionTerminated { target, initiator, clients, session_metadata, exclude_clients } = event;
    let mut members = Members::default();
    let (sid, sub) = match target {
        Target::Session { sid, sub } => (Some(sid), sub.as_ref()),
        Target::Subject(sub) => (None, Some(sub)),
    };
    members.put_some("sid", sid.map(|sid| text(sid.as_str())));
    members.put_some("sub", sub.map(|sub| text(sub.as_str())));
    members.put("initiator", text(initiator.as_str()));
    put_clients(&mut members, clients);
    put_metadata(&mut members, session_metadata);
    if !exclude_clients.is_empty() {
        members.put("exclude_clients", list(exclude_clients.iter().map(|id| text(id.as_str()))));
    }
    members
}

fn put_clients(members: &mut Members, clients: &NamedClients) {
    if clients.is_empty() {
        return;
    }
    let mut named = Members::default();
    for (id, sub) in clients {
        named.put(id.as_str(), sub.as_ref().map_or_else(nothing, |sub| text(sub.as_str())));
    }
    members.put("clients", named.encode());
}

fn put_metadata(members: &mut Members, metadata: &SessionMetadata) {
    let entries = entries(metadata);
    if !entries.is_empty() {
        members.put("session_metadata", entries.encode());
    }
}

fn entries(metadata: &SessionMetadata) -> Members {
    let mut entries = Members::default();
    for (key, value) in metadata.entries() {
        entries.put(key, text(value));
    }
    entries
}

fn put_details(members: &mut Members, details: &SessionDetails) {
    let SessionDetails { device, authentication, last_interacted_at, cookie } = details;
    if let Some(Device { initial, last }) = device {
        let mut members_of_device = Members::default();
        put_device_snapshot(&mut members_of_device, "initial", initial);
        put_device_snapshot(&mut members_of_device, "last", last);
        members.put("device", members_of_device.encode());
    }
    if let Some(methods) = authentication {
        let mut authentication = Members::default();
        authentication.put("methods", list(methods.iter().map(method)));
        members.put("authentication", authentication.encode());
    }
    put_time(members, "last_interacted_at", *last_interacted_at);
    if let Some(mode) = cookie {
        let mut cookie = Members::default();
        cookie.put("mode", text(mode.as_str()));
        members.put("cookie", cookie.encode());
    }
}

fn put_device_snapshot(members: &mut Members, of: &str, snapshot: &DeviceSnapshot) {
    let DeviceSnapshot { user_agent, ip, asn } = snapshot;
    members.put_some(&format!("{of}_user_agent"), user_agent.as_ref().map(|it| text(it.as_str())));
    members.put_some(&format!("{of}_ip"), ip.map(|it| text(&it.to_string())));
    members.put_some(&format!("{of}_asn"), asn.as_ref().map(|it| text(it.as_str())));
}

fn method(method: &AuthenticationMethod) -> Vec<u8> {
    let AuthenticationMethod { name, timestamp, r#type } = method;
    let mut members = Members::default();
    members.put("name", text(name.as_str()));
    put_time(&mut members, "timestamp", *timestamp);
    members.put_some("type", r#type.as_ref().map(|it| text(it.as_str())));
    members.encode()
}

fn put_time(members: &mut Members, name: &str, at: Option<Timestamp>) {
    members.put_some(name, at.map(time));
}
