//! When each key is next, current and retired: pure, with the time as an argument.
//!
//! Nothing here reads a clock, a file or a private key. The state of a key is never stored; it follows from
//! the times below, so that it changes at the right instant without anything having to run then.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config;
use crate::domain::algorithm::SigningAlg;
use crate::keyring::kid::Kid;

/// A key's record in `keyring.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// The one alg it is used with.
    pub(super) alg: SigningAlg,
    /// Since when it is in the JWKS.
    pub(super) created_at: Timestamp,
    /// From when on it signs.
    pub(super) activates_at: Timestamp,
    /// Set when it was retired, or superseded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retired_at: Option<Timestamp>,
    /// Set when it was compromised: not in the JWKS from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unpublished_at: Option<Timestamp>,
}

/// The state of a key at some instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It signs.
    Current,
    /// In the JWKS, and will sign later.
    Next,
    /// It signs no more. It stays in the JWKS for a while, for the tokens it has signed.
    Retired,
}

impl KeyState {
    /// Its name in outputs and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Next => "next",
            Self::Retired => "retired",
        }
    }
}

/// The times of the `[keys]` section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) rotate_every: Option<Duration>,
    pub(super) publish_before: Duration,
    pub(super) publish_after: Duration,
}

impl From<&config::Keys> for Policy {
    fn from(keys: &config::Keys) -> Self {
        let config::Keys { rotate_every, publish_before, publish_after, .. } = *keys;
        Self { rotate_every, publish_before, publish_after }
    }
}

/// When a key that is added begins to sign. The first key of an alg signs at once either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Now: receivers that cached the JWKS may refuse its tokens until they fetch it again.
    Now,
    /// After it has been in the JWKS for `publish_before`.
    Announced,
    /// At this time, decided by [`Schedule::rotation_at`].
    At(Timestamp),
}

/// All keys and their times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Schedule {
    entries: BTreeMap<Kid, Entry>,
}

impl Schedule {
    pub(super) fn get(&self, kid: &Kid) -> Option<&Entry> {
        self.entries.get(kid)
    }

    /// By kid.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Kid, &Entry)> {
        self.entries.iter()
    }

    pub(super) fn insert(&mut self, kid: Kid, entry: Entry) {
        self.entries.insert(kid, entry);
    }

    pub(super) fn remove(&mut self, kid: &Kid) {
        self.entries.remove(kid);
    }

    pub(super) fn state_at(&self, kid: &Kid, entry: &Entry, now: Timestamp) -> KeyState {
        if self.retired_since(kid, entry, now).is_some() {
            KeyState::Retired
        } else if entry.activates_at > now && !self.is_first(kid, entry) {
            KeyState::Next
        } else {
            KeyState::Current
        }
    }

    /// Whether it is the first key its alg ever had. That one signs from the beginning of time: a clock that
    /// was wrong when it was made, and has been set back since, must not leave the alg without a key.
    fn is_first(&self, kid: &Kid, entry: &Entry) -> bool {
        let earlier = |(other_kid, other): (&Kid, &Entry)| rank(other_kid, other) < rank(kid, entry);
        entry.ever_signs() && !self.of(entry.alg).any(earlier)
    }

    /// When it was retired, or when a newer key of its alg began to sign; `None` while neither has happened.
    pub(super) fn retired_since(&self, kid: &Kid, entry: &Entry, now: Timestamp) -> Option<Timestamp> {
        let superseded = self.of(entry.alg).filter(|(other_kid, other)| {
            other.activates_at <= now && rank(other_kid, other) > rank(kid, entry) && other.ever_signs()
        });
        superseded
            .map(|(_, other)| other.activates_at)
            .chain(entry.retired_at)
            .filter(|since| *since <= now)
            .min()
    }

    /// The key that signs this alg.
    pub(super) fn current_at(&self, alg: SigningAlg, now: Timestamp) -> Option<&Kid> {
        self.in_state(alg, KeyState::Current, now).map(|(kid, _)| kid).next()
    }

    /// The next key of this alg; of several, the one that is due first.
    pub(super) fn next_at(&self, alg: SigningAlg, now: Timestamp) -> Option<&Kid> {
        self.in_state(alg, KeyState::Next, now)
            .min_by_key(|(kid, entry)| rank(kid, entry))
            .map(|(kid, _)| kid)
    }

    /// Until when it is in the JWKS, for a retired key.
    pub(super) fn published_until(
        &self,
        kid: &Kid,
        entry: &Entry,
        now: Timestamp,
        policy: &Policy,
    ) -> Option<Timestamp> {
        let since = self.retired_since(kid, entry, now)?;
        Some(entry.unpublished_at.unwrap_or_else(|| after(since, policy.publish_after)))
    }

    pub(super) fn is_published_at(&self, kid: &Kid, entry: &Entry, now: Timestamp, policy: &Policy) -> bool {
        self.published_until(kid, entry, now, policy).is_none_or(|until| now < until)
    }

    /// Adds a key. The first of its alg signs at once; a later one according to `start`.
    pub(super) fn add(&mut self, kid: &Kid, alg: SigningAlg, start: Start, now: Timestamp, policy: &Policy) {
        let first = self.current_at(alg, now).is_none();
        let activates_at = match start {
            Start::Now => now,
            _ if first => now,
            Start::Announced => after(now, policy.publish_before),
            Start::At(time) => time,
        };
        let entry = Entry { alg, created_at: now, activates_at, retired_at: None, unpublished_at: None };
        self.entries.insert(kid.clone(), entry);
        if activates_at <= now {
            self.activate(kid, now);
        }
    }

    /// Makes a key sign from now on, in place of the current one.
    pub(super) fn activate(&mut self, kid: &Kid, now: Timestamp) {
        let Some(alg) = self.entries.get(kid).map(|entry| entry.alg) else { return };
        // Retired explicitly, since the order of activation does not decide between two keys of the same instant.
        let current: Vec<Kid> =
            self.in_state(alg, KeyState::Current, now).map(|(other, _)| other.clone()).collect();
        for other in current.iter().filter(|other| *other != kid) {
            self.retire(other, now);
        }
        if let Some(entry) = self.entries.get_mut(kid) {
            entry.activates_at = now;
        }
    }

    /// Retires a key for good. Its alg may be without a current key then; the caller sees to a successor.
    pub(super) fn retire(&mut self, kid: &Kid, now: Timestamp) {
        let Some(since) = self.entries.get(kid).map(|entry| self.retired_since(kid, entry, now)) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(kid) {
            entry.retired_at = Some(since.unwrap_or(now));
        }
    }

    /// Retires a key and takes it out of the JWKS at once.
    pub(super) fn unpublish(&mut self, kid: &Kid, now: Timestamp) {
        self.retire(kid, now);
        if let Some(entry) = self.entries.get_mut(kid) {
            entry.unpublished_at.get_or_insert(now);
        }
    }

    /// Records when keys were superseded, so that they stay retired when the successor's file is removed. Returns whether
    /// anything changed.
    pub(super) fn settle(&mut self, now: Timestamp) -> bool {
        let superseded: Vec<(Kid, Timestamp)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.retired_at.is_none())
            .filter_map(|(kid, entry)| Some((kid.clone(), self.retired_since(kid, entry, now)?)))
            .collect();
        for (kid, since) in &superseded {
            if let Some(entry) = self.entries.get_mut(kid) {
                entry.retired_at = Some(*since);
            }
        }
        !superseded.is_empty()
    }

    /// When a new key of this alg should begin to sign, if it is time to make one: the current key is within
    /// `publish_before` of its rotation, and none is waiting.
    pub(super) fn rotation_at(&self, alg: SigningAlg, now: Timestamp, policy: &Policy) -> Option<Timestamp> {
        let every = policy.rotate_every.filter(|every| !every.is_zero())?;
        if self.next_at(alg, now).is_some() {
            return None;
        }
        let current = self.entries.get(self.current_at(alg, now)?)?;
        let announced = after(now, policy.publish_before);
        let due = after(current.activates_at, every);
        (announced >= due).then_some(announced)
    }

    fn of(&self, alg: SigningAlg) -> impl Iterator<Item = (&Kid, &Entry)> {
        self.entries.iter().filter(move |(_, entry)| entry.alg == alg)
    }

    fn in_state(
        &self,
        alg: SigningAlg,
        state: KeyState,
        now: Timestamp,
    ) -> impl Iterator<Item = (&Kid, &Entry)> {
        self.of(alg).filter(move |(kid, entry)| self.state_at(kid, entry, now) == state)
    }
}

impl Entry {
    /// Whether it was not retired before its time to sign came: only then does it supersede others.
    fn ever_signs(&self) -> bool {
        self.retired_at.is_none_or(|retired_at| retired_at > self.activates_at)
    }
}

/// The order in which keys supersede each other: by activation, then by creation.
fn rank<'a>(kid: &'a Kid, entry: &Entry) -> (Timestamp, Timestamp, &'a Kid) {
    (entry.activates_at, entry.created_at, kid)
}

/// `time + by`, or the end of time.
fn after(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
