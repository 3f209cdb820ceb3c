//! Sessions at the OP: user, participating clients, lifetime and end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ids::{ClientId, Sid, Sub};
use super::initiator::Initiator;
use super::metadata::SessionMetadata;
use super::session_details::SessionDetails;

/// Identifies a session record. An OP may reuse the `sid` of an ended session, so a `sid` is not unique over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey(pub Uuid);

/// A session: active, or ended. A session that ends without having been reported before gets a record too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The record's key.
    pub key: SessionKey,
    /// The session's id at the OP.
    pub sid: Sid,
    /// The user. `None` only for a session that was not reported before its end and whose end had no `sub`.
    pub sub: Option<Sub>,
    /// The login flow that created it.
    pub flow: Flow,
    /// The metadata set by the OP.
    pub session_metadata: SessionMetadata,
    /// Device, authentication methods and other details.
    pub details: SessionDetails,
    /// The clients the user logged in to, each with its client-specific (pairwise) `sub` if one was reported.
    pub participants: BTreeMap<ClientId, Option<Sub>>,
    /// When it was created, as far as is known.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When the user authenticated; `None`: when the session was created.
    pub authenticated_at: Option<Timestamp>,
    /// The end of its idle lifetime, which later events extend.
    pub idle_expires_at: Option<Timestamp>,
    /// The end of its absolute lifetime.
    pub expires_at: Option<Timestamp>,
    /// Incremented by every change, for optimistic concurrency control.
    pub revision: u64,
    /// How it ended; `None` while it is active.
    pub ended: Option<Ended>,
    /// The latest reported end, if it is after `ended`.
    pub ended_again_at: Option<Timestamp>,
    /// The clients for which the session's end is handled: they have a delivery, were notified by a token about the
    /// user, or are excluded. Empty while it is active.
    pub decided: BTreeSet<ClientId>,
    /// When each member was last reported, where that differs from `created_at`.
    pub reported: BTreeMap<Member, Timestamp>,
    /// When each client-specific `sub` was last reported, where that differs from `created_at`.
    pub own_subs_reported: BTreeMap<ClientId, Timestamp>,
    /// The last end of all the user's sessions that was accepted before this session was created, if it was still
    /// being applied in batches at that time. It does not apply to this session.
    pub begun_after: Option<EndNumber>,
}

/// A member that is set by reports. The newest report wins, in whatever order reports arrive.
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
    /// An active session with no other values.
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

    /// The client-specific `sub` of this client, if one was reported.
    pub fn own_sub(&self, client: &ClientId) -> Option<&Sub> {
        self.participants.get(client).and_then(Option::as_ref)
    }

    /// Records a report of `member` with the time `at`, unless a newer one is known. Returns whether it was recorded;
    /// then the caller sets the member. Of two reports with the same time, the one received later wins.
    pub fn accept_report(&mut self, member: Member, at: Timestamp) -> bool {
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

    /// Like [`accept_report`](Self::accept_report), for a client-specific `sub`.
    pub fn accept_sub_report(&mut self, client: &ClientId, at: Timestamp) -> bool {
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

    /// Applies a report of details with the time `at`: each detail present replaces the known one, unless that was
    /// reported with a later time.
    pub fn set_details(&mut self, reported: &SessionDetails, at: Timestamp) {
        let SessionDetails { device, authentication, last_interacted_at, cookie } = reported.clone();
        if device.is_some() && self.accept_report(Member::Device, at) {
            self.details.device = device;
        }
        if authentication.is_some() && self.accept_report(Member::Authentication, at) {
            self.details.authentication = authentication;
        }
        if last_interacted_at.is_some() && self.accept_report(Member::LastInteractedAt, at) {
            self.details.last_interacted_at = last_interacted_at;
        }
        if cookie.is_some() && self.accept_report(Member::Cookie, at) {
            self.details.cookie = cookie;
        }
    }

    /// Moves `created_at` back, after a delayed report of the session's creation. The members keep their report times.
    pub fn set_earlier_start(&mut self, at: Timestamp) {
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

    /// The time of the newest report: of its creation, a member, or a client-specific `sub`.
    pub fn last_reported_at(&self) -> Timestamp {
        let members = self.reported.values().chain(self.own_subs_reported.values());
        members.copied().fold(self.created_at, Timestamp::max)
    }

    /// The time of the latest reported end.
    pub fn last_ended_at(&self) -> Option<Timestamp> {
        self.ended.map(|ended| ended.at).max(self.ended_again_at)
    }

    /// When it expires: the end of the idle or of the absolute lifetime, whichever is first.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.idle_expires_at.into_iter().chain(self.expires_at).min()
    }
}

/// The default lifetimes of sessions, used where the OP sets no expiry. `None`: unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetimes {
    /// Counted from the session's creation.
    pub absolute: Option<Duration>,
    /// Counted from the last report of the session: created, client added or updated.
    pub idle: Option<Duration>,
}

impl Lifetimes {
    /// Extends an active session's lifetime after a report at `at`, which must not be in the future. The idle lifetime
    /// ends when the OP says (`idle_expires_at`) or else after the default; the absolute one gets the default if it has
    /// no end yet.
    pub fn renew(&self, session: &mut Session, at: Timestamp, idle_expires_at: Option<Timestamp>) {
        let after = |from: Timestamp, lifetime: Duration| {
            from.saturating_add(lifetime).expect("a std Duration has no calendar units")
        };
        // A delayed report must not shorten the lifetime that a newer one set.
        let renewed = self.idle.map(|idle| after(at, idle)).max(session.idle_expires_at);
        session.idle_expires_at = idle_expires_at.or(renewed);
        if let (Some(absolute), None) = (self.absolute, session.expires_at) {
            session.expires_at = Some(after(session.created_at.min(at), absolute));
        }
    }
}

/// The sequence number of a [`SubjectEnd`]: in the order of acceptance, across all users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EndNumber(pub u64);

impl EndNumber {
    /// The next number.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The end of all sessions of a user. It is stored, because it also applies to sessions that are reported late, and
/// because it is applied in batches if the sessions are too many for one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectEnd {
    /// Its sequence number.
    pub number: EndNumber,
    /// The user.
    pub sub: Sub,
    /// When, and why.
    pub ended: Ended,
    /// Clients to notify of each session in addition to its participants.
    pub clients: BTreeMap<ClientId, Option<Sub>>,
    /// Clients not to notify.
    pub exclude_clients: BTreeSet<ClientId>,
    /// Metadata for sessions that have none.
    pub session_metadata: SessionMetadata,
    /// Clients that have a delivery of a token about the user, each with its `sub`: later batches do not notify them
    /// again.
    pub notified: BTreeSet<(ClientId, Sub)>,
}

/// The end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When, by the source's clock if it gives a plausible time, else when the event was received.
    pub at: Timestamp,
    /// Why.
    pub initiator: Initiator,
}

/// The login flow that created a session. Only sessions of the browser flow can have metadata, as at Auth0.
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

    /// Whether sessions of this flow can have metadata.
    pub const fn carries_metadata(self) -> bool {
        matches!(self, Self::Browser)
    }
}

#[cfg(test)]
mod tests;
