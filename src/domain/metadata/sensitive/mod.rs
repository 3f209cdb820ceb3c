//! Detection of sensitive values in session metadata: secrets, payment card numbers, social security numbers.
//!
//! Metadata is sent to relying parties and stored, so Auth0's rule applies: no secrets, no high-risk personal data.
//! Detection is by format, precise enough not to match ids, names and times; it cannot detect passwords. A finding
//! contains the entry's key and the kind of value, never the value.

use std::fmt;

use super::SessionMetadata;

mod api_key;
mod bearer_token;
mod payment_card;
mod private_key;
mod social_security;
#[cfg(test)]
mod tests;

/// How sensitive metadata is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SensitivePolicy {
    /// Not searched for.
    Off,
    /// Accepted, counted in a metric, and logged with its key.
    #[default]
    Warn,
    /// Rejected.
    Reject,
}

impl SensitivePolicy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Warn, Self::Reject, Self::Off];

    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Reject => "reject",
        }
    }
}

/// A kind of sensitive value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A private key: PEM of any kind, a private JWK, `PuTTY`, age.
    PrivateKey,
    /// An API key or token in a known provider's format, or of logoutd.
    ApiKey,
    /// A JWT, or a token after `Bearer`.
    BearerToken,
    /// The number of a payment card.
    PaymentCard,
    /// A US social security number.
    SocialSecurityNumber,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::PrivateKey, Self::ApiKey, Self::BearerToken, Self::PaymentCard, Self::SocialSecurityNumber];

    /// The name used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PrivateKey => "private_key",
            Self::ApiKey => "api_key",
            Self::BearerToken => "bearer_token",
            Self::PaymentCard => "payment_card",
            Self::SocialSecurityNumber => "us_social_security_number",
        }
    }

    fn found_in(self, key: &str, text: &str) -> bool {
        match self {
            Self::PrivateKey => private_key::found_in(text),
            Self::ApiKey => api_key::found_in(text),
            Self::BearerToken => bearer_token::found_in(text),
            Self::PaymentCard => payment_card::found_in(text),
            Self::SocialSecurityNumber => social_security::found_in(key, text),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PrivateKey => "a private key",
            Self::ApiKey => "an API key",
            Self::BearerToken => "a bearer token",
            Self::PaymentCard => "a payment card number",
            Self::SocialSecurityNumber => "a US social security number",
        })
    }
}

/// A metadata entry that looks sensitive, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The entry's key; `None` if the key itself looks sensitive, and so must not be logged.
    pub key: Option<String>,
    /// What the value looks like.
    pub kind: Kind,
}

/// The entries that look sensitive, in the order of their keys, at most one finding for each.
pub fn find(metadata: &SessionMetadata) -> Vec<Finding> {
    metadata.entries().iter().filter_map(|(key, value)| entry(key, value)).collect()
}

fn entry(key: &str, value: &str) -> Option<Finding> {
    if let Some(kind) = kind_of("", key) {
        return Some(Finding { key: None, kind });
    }
    kind_of(key, value).map(|kind| Finding { key: Some(key.to_owned()), kind })
}

fn kind_of(key: &str, text: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.found_in(key, text))
}

/// The runs of letters, digits and `_ - . ~`, the characters of tokens. A full stop at the end is taken for
/// punctuation and removed.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let separates = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '~'));
    text.split(separates).map(|word| word.trim_end_matches('.')).filter(|word| !word.is_empty())
}
