//! The rules for a logout token and their outcomes, as listed in a [`Report`].
//!
//! `header` and `claims` implement the rules. Explanations may quote `iss`,
//! `aud`, `kid` and times, and never `sub` or metadata values: they end up in error answers and logs.
//!
//! [`Report`]: super::verify::Report

use std::fmt;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

/// A rule that a logout token must meet, in the order of checking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Three parts in base64url.
    CompactJws,
    /// The header is a JSON object.
    Header,
    /// The header has no repeated member.
    HeaderMembers,
    /// A supported asymmetric `alg`.
    Alg,
    /// `typ` is `logout+jwt`, `JWT` or absent.
    Typ,
    /// No critical extension.
    Crit,
    /// A `kid` is present.
    Kid,
    /// Exactly one key of the JWKS fits by `kid`, `kty`, `alg` and `use`.
    Key,
    /// The signature is valid for that key.
    Signature,
    /// The payload is a JSON object.
    Payload,
    /// The payload has no repeated member.
    PayloadMembers,
    /// `iss` is the OP.
    Iss,
    /// `aud` is the client, or contains it.
    Aud,
    /// `iat` is neither in the future nor older than a day.
    Iat,
    /// `exp` is in the future.
    Exp,
    /// `exp` is not far from `iat`.
    Lifetime,
    /// A `jti` is present.
    Jti,
    /// `events` is exactly the logout event.
    Events,
    /// There is no `nonce`.
    Nonce,
    /// `sid`, `sub` or both.
    Subject,
    /// `session_metadata`, if present, keeps Auth0's limits.
    SessionMetadata,
    /// The `jti` was not received before. Only receivers that store them check this.
    Replay,
}

impl Rule {
    /// Its name, in text and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CompactJws => "compact-jws",
            Self::Header => "header",
            Self::HeaderMembers => "header-members",
            Self::Alg => "alg",
            Self::Typ => "typ",
            Self::Crit => "crit",
            Self::Kid => "kid",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Payload => "payload",
            Self::PayloadMembers => "payload-members",
            Self::Iss => "iss",
            Self::Aud => "aud",
            Self::Iat => "iat",
            Self::Exp => "exp",
            Self::Lifetime => "lifetime",
            Self::Jti => "jti",
            Self::Events => "events",
            Self::Nonce => "nonce",
            Self::Subject => "subject",
            Self::SessionMetadata => "session-metadata",
            Self::Replay => "replay",
        }
    }

    /// The specification that requires it.
    pub const fn spec(self) -> &'static str {
        match self {
            Self::CompactJws => "RFC 7515 §7.1",
            Self::Header | Self::HeaderMembers => "RFC 7515 §4",
            Self::Alg => "Back-Channel Logout 1.0 §2.6, RFC 7518 §3.1",
            Self::Crit => "RFC 7515 §4.1.11",
            Self::Kid | Self::Key => "OpenID Connect Core 1.0 §10.1",
            Self::Signature => "Back-Channel Logout 1.0 §2.6, RFC 7515 §5.2",
            Self::Payload => "RFC 7519 §7.2",
            Self::PayloadMembers => "RFC 7519 §4",
            Self::Lifetime => "Back-Channel Logout 1.0 §4",
            Self::Iss | Self::Aud | Self::Iat | Self::Exp => "Back-Channel Logout 1.0 §2.4, §2.6",
            Self::Typ | Self::Jti | Self::Events | Self::Nonce | Self::Subject => {
                "Back-Channel Logout 1.0 §2.4"
            }
            Self::SessionMetadata => "Auth0 session metadata",
            Self::Replay => "Back-Channel Logout 1.0 §2.6",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The outcome of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleOutcome {
    /// It holds.
    Pass,
    /// It holds, but not as recommended.
    Warn,
    /// It does not hold: the token must be rejected.
    Fail,
    /// It was not checked, because an earlier rule failed or nothing was given to compare with.
    Skip,
}

/// A rule, its outcome, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The rule.
    pub rule: Rule,
    /// Its outcome.
    pub outcome: RuleOutcome,
    /// An explanation for people.
    pub explanation: String,
}

impl Rule {
    pub(super) fn pass(self, explanation: impl Into<String>) -> Check {
        Check { rule: self, outcome: RuleOutcome::Pass, explanation: explanation.into() }
    }

    pub(super) fn warn(self, explanation: impl Into<String>) -> Check {
        Check { rule: self, outcome: RuleOutcome::Warn, explanation: explanation.into() }
    }

    pub(super) fn fail(self, explanation: impl Into<String>) -> Check {
        Check { rule: self, outcome: RuleOutcome::Fail, explanation: explanation.into() }
    }

    pub(super) fn skip(self, explanation: impl Into<String>) -> Check {
        Check { rule: self, outcome: RuleOutcome::Skip, explanation: explanation.into() }
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut check = serializer.serialize_struct("Check", 4)?;
        check.serialize_field("rule", self.rule.name())?;
        check.serialize_field("spec", self.rule.spec())?;
        check.serialize_field("outcome", &self.outcome)?;
        check.serialize_field("explanation", &self.explanation)?;
        check.end()
    }
}
