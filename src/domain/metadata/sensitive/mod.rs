//! What does not belong into session metadata: secrets, and numbers that thieves live on.
//!
//! Metadata is sent to relying parties and kept in the store, so Auth0's rule holds here too: no secrets, no
//! high-risk personal data. Only shapes are recognised, and these so precisely that ids, names and times
//! are not taken for one; a password nobody can recognise. It says under which key something was found and
//! what it looks like. It never gives the value away.

use std::fmt;

use super::SessionMetadata;

mod api_key;
mod bearer_token;
mod payment_card;
mod private_key;
mod social_security;
#[cfg(test)]
mod tests;

/// What is done about sensitive metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SensitivePolicy {
    /// Nothing; it is not even looked for.
    Off,
    /// It is taken, counted and logged by its key.
    #[default]
    Warn,
    /// It is refused.
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

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A private key: PEM of any kind, a private JWK, `PuTTY`, age.
    PrivateKey,
    /// A key or token in the form of one of the big providers, or one of ours.
    ApiKey,
    /// A JWT, or what follows `Bearer` in a header.
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

    fn is_in(self, key: &str, text: &str) -> bool {
        match self {
            Self::PrivateKey => private_key::is_in(text),
            Self::ApiKey => api_key::is_in(text),
            Self::BearerToken => bearer_token::is_in(text),
            Self::PaymentCard => payment_card::is_in(text),
            Self::SocialSecurityNumber => social_security::is_in(key, text),
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

/// An entry that looks sensitive. Its value is not in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The entry's key; `None` where the key itself is what looks sensitive, and must not be named.
    pub key: Option<String>,
    /// What it looks like.
    pub kind: Kind,
}

/// The entries that look sensitive, each once, by key.
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
    Kind::ALL.into_iter().find(|kind| kind.is_in(key, text))
}

/// The stretches of letters, digits and `_ - . ~`: what tokens of every kind are made of. A full stop at the
/// end is the sentence's.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let separates = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '~'));
    text.split(separates).map(|word| word.trim_end_matches('.')).filter(|word| !word.is_empty())
}
