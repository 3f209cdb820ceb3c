//! API tokens, without their secrets.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::scopes::ScopeSet;
use super::sources::SourceLimit;
use crate::domain::ids::TokenName;

/// An API token's id: a version 7 UUID. Not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub Uuid);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TokenId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// The SHA-256 of a token's secret. The secret itself is not stored.
#[derive(Clone, Copy)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its id.
    pub id: TokenId,
    /// Its name. Not unique.
    pub name: TokenName,
    /// The granted scopes.
    pub scopes: ScopeSet,
    /// The sources for which it may report events.
    pub sources: SourceLimit,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, up to a minute late; `None`: never.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// Whether an API token is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// It is valid.
    Active,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
}

impl TokenState {
    /// The name used in JSON and by the commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl ApiToken {
    /// The state at this time. A revoked token stays revoked, even if the clock is before `revoked_at`.
    pub fn state(&self, now: Timestamp) -> TokenState {
        if self.revoked_at.is_some() {
            TokenState::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            TokenState::Expired
        } else {
            TokenState::Active
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_match_only_if_every_byte_is_equal() {
        let hash = TokenHash([7; 32]);
        assert!(hash.matches(&TokenHash([7; 32])));
        for place in [0, 15, 31] {
            let mut other = [7; 32];
            other[place] = 6;
            assert!(!hash.matches(&TokenHash(other)), "{place}");
        }
    }

    #[test]
    fn a_token_is_active_until_it_expires_or_is_revoked() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let token = |expires_at: Option<i64>, revoked_at: Option<i64>| ApiToken {
            id: TokenId(Uuid::nil()),
            name: "op".parse().unwrap(),
            scopes: ScopeSet::default(),
            sources: SourceLimit::Any,
            created_at: at(0),
            expires_at: expires_at.map(at),
            last_used_at: None,
            revoked_at: revoked_at.map(at),
        };
        for (expires_at, revoked_at, state) in [
            (None, None, TokenState::Active),
            (Some(101), None, TokenState::Active),
            (Some(100), None, TokenState::Expired),
            (Some(99), None, TokenState::Expired),
            (None, Some(200), TokenState::Revoked),
            (Some(99), Some(50), TokenState::Revoked),
        ] {
            assert_eq!(token(expires_at, revoked_at).state(at(100)), state, "{expires_at:?} {revoked_at:?}");
        }
    }
}
