//! The shape of a client's logout tokens.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::document::{Choice, settings};
use super::forms::{GroupType, OneOf, TokenTtl};

/// What differs between clients in the token itself: no single choice suits every receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenOptions {
    /// How long a token is valid: `exp` − `iat`.
    pub ttl: Duration,
    /// The header's `typ`.
    pub typ: TokenTyp,
    /// Which of `sid` and `sub` it carries.
    pub subject: TokenSubject,
}

settings! {
    TokenOptions, defaults: |_options| Self::default(), besides: [],
    {
        ttl: TokenTtl,
        typ: OneOf<TokenTyp>,
        subject: OneOf<TokenSubject>,
    }
}

impl GroupType for TokenOptions {
    const NAME: &'static str = "Token";
    const DESCRIPTION: &'static str = "The shape of a client's tokens.";
}

impl TokenOptions {
    /// The longest `ttl`. Back-Channel Logout 1.0 §4 prefers two minutes at most; some receivers' clocks
    /// need more.
    pub const MAX_TTL: Duration = Duration::from_mins(10);
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self { ttl: Duration::from_mins(2), typ: TokenTyp::default(), subject: TokenSubject::default() }
    }
}

/// The `typ` header of a logout token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenTyp {
    /// What Back-Channel Logout 1.0 §2.4 recommends.
    #[default]
    #[serde(rename = "logout+jwt")]
    LogoutJwt,
    /// For receivers that insist on it (older Spring Security refuses `logout+jwt`).
    #[serde(rename = "JWT")]
    Jwt,
    /// No `typ` at all.
    #[serde(rename = "none")]
    None,
}

impl Choice for TokenTyp {
    const SCHEMA: &'static str = "TokenTyp";
    const DESCRIPTION: &'static str = "The `typ` header of a client's tokens; `none` leaves it out.";
    const ALL: &'static [Self] = &[Self::LogoutJwt, Self::Jwt, Self::None];

    fn as_str(self) -> &'static str {
        self.header_value().unwrap_or("none")
    }
}

impl TokenTyp {
    /// The header's value, if there is one.
    pub const fn header_value(self) -> Option<&'static str> {
        match self {
            Self::LogoutJwt => Some("logout+jwt"),
            Self::Jwt => Some("JWT"),
            Self::None => None,
        }
    }
}

/// Which of `sid` and `sub` a client's tokens carry, where both are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenSubject {
    /// Both.
    #[default]
    #[serde(rename = "sid+sub")]
    SidAndSub,
    /// The session only.
    #[serde(rename = "sid")]
    Sid,
    /// The subject only: for the RP this means every session of the user.
    #[serde(rename = "sub")]
    Sub,
}

impl Choice for TokenSubject {
    const SCHEMA: &'static str = "TokenSubject";
    const DESCRIPTION: &'static str =
        "Which of `sid` and `sub` a client's tokens carry, where both are known.";
    const ALL: &'static [Self] = &[Self::SidAndSub, Self::Sid, Self::Sub];

    fn as_str(self) -> &'static str {
        match self {
            Self::SidAndSub => "sid+sub",
            Self::Sid => "sid",
            Self::Sub => "sub",
        }
    }
}
