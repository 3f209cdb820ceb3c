//! Digests of events' data: they distinguish a repetition of an accepted event from another event with the same id.
//!
//! Digests are stored, and later releases compare with them. So each is stored with its version, and what a version is
//! made of never changes: a golden test pins it. New events get version 2. Version 1, the digest of the first release's
//! own JSON form, is only computed to compare with events which that release accepted.
//!
//! # Version 2
//!
//! SHA-256 over the text `logoutd event 2`, a zero byte, the event's type as a *text*, and its data as a *map* from the
//! members' names on the wire to their values:
//!
//! | value | is encoded as |
//! |---|---|
//! | text | `s`, its length in bytes (32 bits, big endian), its UTF-8 |
//! | time | `t`, seconds since 1970 (64 bits, signed), nanoseconds (32 bits, signed) |
//! | list | `l`, the number of items (32 bits), the items in their order |
//! | map | `m`, the number of entries (32 bits), for each its key as a text and its value, by the bytes of the keys |
//! | nothing | `n` |
//!
//! A member that is missing, or has its default value (no `clients`, the flow `browser`), is no entry; so a new optional
//! member does not change the digest of an event without it. `clients` is a map from the ids to their own `sub` or
//! nothing; `exclude_clients` is a list by the bytes of the ids; `session_metadata` of `session.updated` is an entry even
//! if it is empty, since it clears the session's. The event's `time`, `source`, `id` and extensions are not included: the
//! same data again is a repetition, whenever it is sent.

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
    /// The same data.
    Same,
    /// Other data.
    Different,
    /// Not comparable: this release does not know the version of the digest.
    Unknown,
}

/// The digest that an event is stored with.
pub(super) fn of(event: &Event) -> EventDigest {
    EventDigest { version: CURRENT, bytes: sha256(&version_2::encode(&event.body)) }
}

/// Compares an event with the stored digest of an accepted one.
pub(super) fn compare(event: &Event, accepted: &EventDigest) -> Comparison {
    let bytes = match accepted.version {
        // The first release accepted no event with data that its form cannot hold.
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
