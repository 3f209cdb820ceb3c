//! What an event says, as a digest: it tells a repetition of an accepted event from another event under its id.
//!
//! Digests are stored, and compared with those of later releases. So each is stored with its version, and what a
//! version is made of never changes: a golden test pins it. Version 2 is what new events get; version 1, the
//! digest of the first release's own JSON form, is only computed to recognise what that release had accepted.
//!
//! # Version 2
//!
//! SHA-256 over the text `logoutd event 2`, a zero byte, the event's type as a *text*, and its data as a *map*
//! from the members' names on the wire to their values:
//!
//! | value | is written as |
//! |---|---|
//! | text | `s`, its length in bytes (32 bits, big endian), its UTF-8 |
//! | time | `t`, seconds since 1970 (64 bits, signed), nanoseconds (32 bits, signed) |
//! | list | `l`, how many items (32 bits), the items in their order |
//! | map | `m`, how many entries (32 bits), for each its key as a text and its value, by the bytes of the keys |
//! | nothing | `n` |
//!
//! A member that is not there, or has the value it has when it is not there (no `clients`, the flow `browser`), is
//! no entry; so a new optional member changes the digest of no event without it. `clients` is a map from the ids to
//! their own `sub` or nothing; `exclude_clients` is a list by the bytes of the ids; `session_metadata` of
//! `session.updated` is an entry even if it is empty, since it empties the session's. The event's `time`, `source`,
//! `id` and extensions are not in it: the same data again is a repetition, whenever it is sent.

use ring::digest::{SHA256, digest};

use crate::domain::event::{Event, EventBody};
use crate::storage::EventDigest;

mod encoding;
#[cfg(test)]
mod tests;
mod version_1;
mod version_2;

/// The version that new events get.
const CURRENT: u32 = 2;

/// How an event compares with one that was accepted under its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// It says the same.
    Same,
    /// It says something else.
    Different,
    /// It cannot be told: the digest is of a version that this release does not know.
    Unknown,
}

/// The digest that an event is stored with.
pub(super) fn of(event: &Event) -> EventDigest {
    EventDigest { version: CURRENT, bytes: sha256(&version_2::encode(&event.body)) }
}

/// Compares an event with what is stored of an accepted one.
pub(super) fn compare(event: &Event, accepted: &EventDigest) -> Comparison {
    let bytes = match accepted.version {
        // What the first release could not be told of, it did not accept.
        1 => version_1::encode(&event.body).map(|text| sha256(&text)),
        CURRENT => Some(sha256(&version_2::encode(&event.body))),
        _ => return Comparison::Unknown,
    };
    if bytes == Some(accepted.bytes) { Comparison::Same } else { Comparison::Different }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("a SHA-256 digest has 32 bytes")
}

/// The type of an event, as it is on the wire.
fn type_of(body: &EventBody) -> &'static str {
    match body {
        EventBody::Created(_) => "session.created",
        EventBody::ClientAdded(_) => "session.client_added",
        EventBody::Updated(_) => "session.updated",
        EventBody::Terminated(_) => "session.terminated",
    }
}
