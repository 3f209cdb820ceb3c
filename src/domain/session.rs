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
    /// When it was last reported to have ended, if that was after the end it has.
    pub ended_again_at: Option<Timestamp>,
    /// The clients whose part in its end is decided: they have a delivery, were told by a token about the user, or
    /// are left out. Empty while it lives.
    pub decided: BTreeSet<ClientId>,
    /// When its members were reported, where that was not when it began.
    pub reported: BTreeMap<Member, Timestamp>,
    /// When the `sub`s of the clients' own were reported, likewise.
    pub own_subs_reported: BTreeMap<ClientId, Timestamp>,
    /// The last end of all sessions of its user that was accepted before it began, if that was still being carried
    /// out then: that one is not about this session.
    pub begun_after: Option<EndNumber>,
}

/// A member that reports set. A report that is older than the one that set it changes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// [`Session::session_metadata`]
    SessionMetadata,
    /// [`Session::authenticated_at`]
    AuthenticatedAt,
    /// [`Session::idle_expires_at`]
    IdleExpiresAt,
    /// [`Session::expires_at`]
    ExpiresAt,
    /// [`SessionDetails::device`]
    Device,
    /// [`SessionDetails::authentication`]
    Authentication,
    /// [`SessionDetails::last_interacted_at`]
    LastInteractedAt,
    /// [`SessionDetails::cookie`]
    Cookie,
}

impl Member {
    /// Every member.
    pub const ALL: [Self; 8] = [
        Self::SessionMetadata,
        Self::AuthenticatedAt,
        Self::IdleExpiresAt,
        Self::ExpiresAt,
        Self::Device,
        Self::Authentication,
        Self::LastInteractedAt,
        Self::Cookie,
    ];
}

impl Session {
    /// One of which only this is known. It lives.
    pub fn new(key: SessionKey, sid: Sid, created_at: Timestamp) -> Self {
        Self {
            key,
            sid,
            sub: None,
            flow: Flow::default(),
            session_metadata: SessionMetadata::default(),
            details: SessionDetails::default(),
            participants: BTreeMap::new(),
            created_at,
            updated_at: created_at,
            authenticated_at: None,
            idle_expires_at: None,
            expires_at: None,
            revision: 0,
            ended: None,
            ended_again_at: None,
            decided: BTreeSet::new(),
            reported: BTreeMap::new(),
            own_subs_reported: BTreeMap::new(),
            begun_after: None,
        }
    }

    /// The `sub` that was reported for this client alone, if one was.
    pub fn own_sub(&self, client: &ClientId) -> Option<&Sub> {
        self.participants.get(client).and_then(Option::as_ref)
    }

    /// Whether a report of `at` is the newest so far of a member; then it is from now on. Of two reports of the same
    /// time the one that came in later is the newer.
    pub fn is_newest(&mut self, member: Member, at: Timestamp) -> bool {
        if self.reported_at(member).is_some_and(|reported| at < reported) {
            return false;
        }
        if at == self.created_at {
            self.reported.remove(&member);
        } else {
            self.reported.insert(member, at);
        }
        true
    }

    /// The same for the `sub` of a client's own.
    pub fn is_newest_sub(&mut self, client: &ClientId, at: Timestamp) -> bool {
        let reported = self.own_subs_reported.get(client).copied();
        if reported.or_else(|| self.own_sub(client).map(|_| self.created_at)).is_some_and(|it| at < it) {
            return false;
        }
        if at == self.created_at {
            self.own_subs_reported.remove(client);
        } else {
            self.own_subs_reported.insert(client.clone(), at);
        }
        true
    }

    /// Puts each of those details that a report of `at` tells in the place of what was told before, whole, unless that
    /// was reported later.
    pub fn set_details(&mut self, told: &SessionDetails, at: Timestamp) {
        let SessionDetails { device, authentication, last_interacted_at, cookie } = told.clone();
        if device.is_some() && self.is_newest(Member::Device, at) {
            self.details.device = device;
        }
        if authentication.is_some() && self.is_newest(Member::Authentication, at) {
            self.details.authentication = authentication;
        }
        if last_interacted_at.is_some() && self.is_newest(Member::LastInteractedAt, at) {
            self.details.last_interacted_at = last_interacted_at;
        }
        if cookie.is_some() && self.is_newest(Member::Cookie, at) {
            self.details.cookie = cookie;
        }
    }

    /// An earlier report of its beginning came in. What was reported meanwhile keeps its times.
    pub fn began_earlier(&mut self, at: Timestamp) {
        if at >= self.created_at {
            return;
        }
        for member in Member::ALL {
            if let Some(reported) = self.reported_at(member) {
                self.reported.insert(member, reported);
            }
        }
        for (client, own_sub) in &self.participants {
            if own_sub.is_some() {
                self.own_subs_reported.entry(client.clone()).or_insert(self.created_at);
            }
        }
        self.created_at = at;
    }

    fn reported_at(&self, member: Member) -> Option<Timestamp> {
        let is_set = match member {
            Member::SessionMetadata => !self.session_metadata.is_empty(),
            Member::AuthenticatedAt => self.authenticated_at.is_some(),
            Member::IdleExpiresAt => self.idle_expires_at.is_some(),
            Member::ExpiresAt => self.expires_at.is_some(),
            Member::Device => self.details.device.is_some(),
            Member::Authentication => self.details.authentication.is_some(),
            Member::LastInteractedAt => self.details.last_interacted_at.is_some(),
            Member::Cookie => self.details.cookie.is_some(),
        };
        self.reported.get(&member).copied().or(is_set.then_some(self.created_at))
    }

    /// When something of it was last reported: its beginning, a member, or a client's own `sub`.
    pub fn last_reported_at(&self) -> Timestamp {
        let members = self.reported.values().chain(self.own_subs_reported.values());
        members.copied().fold(self.created_at, Timestamp::max)
    }

    /// When it was last reported to have ended.
    pub fn last_ended_at(&self) -> Option<Timestamp> {
        self.ended.map(|ended| ended.at).max(self.ended_again_at)
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
    /// Something was heard of a live session at `at`, which is not ahead of our clock: sets the end of its idle lifetime to
    /// what the OP says, or else works it out, and the end of its absolute lifetime where the OP has not set one.
    pub fn renew(&self, session: &mut Session, at: Timestamp, idle_expires_at: Option<Timestamp>) {
        let after = |from: Timestamp, lifetime: Duration| {
            from.saturating_add(lifetime).expect("a std Duration has no calendar units")
        };
        // A report that was overtaken by a later one does not shorten what was worked out.
        let renewed = self.idle.map(|idle| after(at, idle)).max(session.idle_expires_at);
        session.idle_expires_at = idle_expires_at.or(renewed);
        if let (Some(absolute), None) = (self.absolute, session.expires_at) {
            session.expires_at = Some(after(session.created_at.min(at), absolute));
        }
    }
}

/// Orders the ends of all sessions of a user by when they were accepted, across all users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EndNumber(pub u64);

impl EndNumber {
    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The end of all sessions of a user. It is remembered, for those of them that are reported late, and for those
/// that are still to be ended because they are too many for one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectEnd {
    /// Which.
    pub number: EndNumber,
    /// Whose sessions.
    pub sub: Sub,
    /// When, and why.
    pub ended: Ended,
    /// Clients to tell of each session beside its own.
    pub clients: BTreeMap<ClientId, Option<Sub>>,
    /// Clients not to tell.
    pub exclude_clients: BTreeSet<ClientId>,
    /// The metadata of sessions that have none.
    pub session_metadata: SessionMetadata,
    /// Clients that a token about the user told of it, and the `sub` they know: they are not told again when the rest
    /// of the sessions is ended.
    pub told: BTreeSet<(ClientId, Sub)>,
}

/// The end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When: by the source's clock, or when logoutd heard of it.
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

#[cfg(test)]
mod tests;
