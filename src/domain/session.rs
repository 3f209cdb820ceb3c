//! A session at the OP: whose it is, which clients take part in it, and how it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ids::{ClientId, Sid, Sub};
use super::initiator::Initiator;
use super::metadata::SessionMetadata;
use super::session_details::SessionDetails;

/// Tells one life of a `sid` from the next: an OP may start a new session under an id that ended before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey(pub Uuid);

/// A session the OP reported, or one that was first heard of when it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// This life of the `sid`.
    pub key: SessionKey,
    /// The session's id at the OP.
    pub sid: Sid,
    /// The user. Unknown only for a session that was never reported and ended without a `sub`.
    pub sub: Option<Sub>,
    /// How the session was made.
    pub flow: Flow,
    /// What the OP put on it.
    pub session_metadata: SessionMetadata,
    /// What else a source told of it.
    pub details: SessionDetails,
    /// The clients the user logged in to, each with the `sub` it knows the user by if that is its own.
    pub participants: BTreeMap<ClientId, Option<Sub>>,
    /// When it began, as far as is known.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When the user authenticated, if the OP says; else that was when the session began.
    pub authenticated_at: Option<Timestamp>,
    /// When it is to end unless something is heard of it before.
    pub idle_expires_at: Option<Timestamp>,
    /// When it is to end by itself, whatever is heard of it.
    pub expires_at: Option<Timestamp>,
    /// Counts its changes, so that a change can be made on the condition that nobody else made one.
    pub revision: u64,
    /// How it ended; `None` while it lives.
    pub ended: Option<Ended>,
    /// Participants that were told of its end by a token about the user, which is no delivery of this session.
    pub told_as_subject: BTreeSet<ClientId>,
}

impl Session {
    /// The `sub` that was reported for this client alone, if one was.
    pub fn own_sub(&self, client: &ClientId) -> Option<&Sub> {
        self.participants.get(client).and_then(Option::as_ref)
    }

    /// When its lifetime runs out: the idle or the absolute one, whichever is first.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.idle_expires_at.into_iter().chain(self.expires_at).min()
    }
}

/// How long sessions live for which the OP sets no times of its own. `None`: until they are ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetimes {
    /// From their beginning, whatever is heard of them.
    pub absolute: Option<Duration>,
    /// From the last sign of life: the report that they began, or that a client was added or they changed.
    pub idle: Option<Duration>,
}

impl Lifetimes {
    /// Something was heard of a live session at `at`: sets the end of its idle lifetime to what the OP says, or
    /// else works it out, and the end of its absolute lifetime where the OP has not set one.
    pub fn renew(&self, session: &mut Session, at: Timestamp, idle_expires_at: Option<Timestamp>) {
        let after = |from: Timestamp, lifetime: Duration| {
            from.saturating_add(lifetime).expect("a std Duration has no calendar units")
        };
        // A report that was overtaken by a later one does not shorten what was worked out.
        let renewed = self.idle.map(|idle| after(at, idle)).max(session.idle_expires_at);
        session.idle_expires_at = idle_expires_at.or(renewed);
        if let (Some(absolute), None) = (self.absolute, session.expires_at) {
            session.expires_at = Some(after(session.created_at, absolute));
        }
    }
}

/// The end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When logoutd heard of it.
    pub at: Timestamp,
    /// Why.
    pub initiator: Initiator,
}

/// How a session was made. Only the browser flow can carry session metadata, as at Auth0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// A login in a browser.
    #[default]
    Browser,
    /// The resource owner password grant.
    ResourceOwnerPassword,
    /// A passkey in a native app.
    NativePasskey,
    /// A social login in a native app.
    NativeSocial,
}

impl Flow {
    /// Every flow.
    pub const ALL: [Self; 4] =
        [Self::Browser, Self::ResourceOwnerPassword, Self::NativePasskey, Self::NativeSocial];

    /// The name used in events and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::ResourceOwnerPassword => "resource_owner_password",
            Self::NativePasskey => "native_passkey",
            Self::NativeSocial => "native_social",
        }
    }

    /// Whether sessions made this way can carry metadata.
    pub const fn carries_metadata(self) -> bool {
        matches!(self, Self::Browser)
    }
}
