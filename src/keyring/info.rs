//! What is shown of a key: by the commands, and through the API.

use jiff::Timestamp;
use serde::Serialize;

use super::error::KeyringError;
use super::generation::Generation;
use super::kid::Kid;
use super::material::KeyKind;
use super::schedule::KeyState;
use super::signing_key::SigningKey;
use super::{Inner, Keyring};
use crate::domain::algorithm::SigningAlg;

/// A key's algorithm, state and times. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Its id.
    pub kid: Kid,
    /// Its alg.
    pub alg: SigningAlg,
    /// RSA with its size, or the curve.
    #[serde(serialize_with = "as_text")]
    pub kind: KeyKind,
    /// What it is now.
    pub state: KeyState,
    /// Since when logoutd has had it.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub activates_at: Timestamp,
    /// Since when it signs no more.
    pub retired_at: Option<Timestamp>,
    /// Whether it is in the JWKS now.
    pub published: bool,
    /// When it leaves, or left, the JWKS; known once it is retired.
    pub published_until: Option<Timestamp>,
    /// When it was taken out of the JWKS as compromised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl Keyring {
    /// All keys: current ones first, then next, then retired; by alg in each.
    pub fn keys(&self) -> Vec<KeyInfo> {
        let (generation, now) = (self.current(), self.inner.ambient.now());
        let mut keys: Vec<KeyInfo> =
            generation.keys.values().filter_map(|key| self.inner.info(&generation, key, now)).collect();
        keys.sort_by(|a, b| (a.state, a.alg, &a.kid).cmp(&(b.state, b.alg, &b.kid)));
        keys
    }

    /// One key.
    pub fn key(&self, kid: &Kid) -> Result<KeyInfo, KeyringError> {
        let (generation, now) = (self.current(), self.inner.ambient.now());
        let info = generation.keys.get(kid).and_then(|key| self.inner.info(&generation, key, now));
        info.ok_or_else(|| KeyringError::UnknownKid(kid.clone()))
    }
}

impl Inner {
    fn info(&self, generation: &Generation, key: &SigningKey, now: Timestamp) -> Option<KeyInfo> {
        let (schedule, kid) = (&generation.schedule, key.kid());
        let entry = schedule.get(kid)?;
        Some(KeyInfo {
            kid: kid.clone(),
            alg: key.alg(),
            kind: key.kind(),
            state: schedule.state_at(kid, entry, now),
            created_at: entry.created_at,
            activates_at: entry.activates_at,
            retired_at: schedule.retired_since(kid, entry, now),
            published: schedule.is_published_at(kid, entry, now, &self.policy),
            published_until: schedule.published_until(kid, entry, now, &self.policy),
            revoked_at: entry.unpublished_at,
        })
    }
}

fn as_text<S: serde::Serializer>(kind: &KeyKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}
