//! Key ids: what a `kid` may look like, and how those of generated keys are made.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::algorithm::SigningAlg;
use crate::entropy::Entropy;

/// The `kid` of a key: the stem of its file, and what the JWKS and every token's header call it.
///
/// 1 to [`Kid::MAX_CHARS`] characters, of those that stand unescaped in a URL (RFC 3986 §2.3), since it is a
/// path segment of the management API; no leading dot, since files named so are ignored.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kid(String);

impl Kid {
    /// The longest `kid`, in characters.
    pub const MAX_CHARS: usize = 128;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One for a new key: its alg, the day it was made (UTC), and six hex digits against collisions.
    pub fn generated(alg: SigningAlg, now: Timestamp, entropy: &dyn Entropy) -> Self {
        let mut salt = [0_u8; 3];
        entropy.fill(&mut salt);
        let [a, b, c] = salt;
        let name = alg.as_str().to_ascii_lowercase();
        Self(format!("{name}-{}-{a:02x}{b:02x}{c:02x}", now.strftime("%Y%m%d")))
    }
}

/// Why a string is no `kid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KidError {
    /// It is empty, or too long.
    #[error("a kid has 1 to {max} characters, and this has {0}", max = Kid::MAX_CHARS)]
    Length(usize),
    /// A character that is not allowed.
    #[error("a kid has only letters, digits, `-`, `_`, `.` and `~`, and this has {0:?}")]
    Character(char),
    /// It begins with a dot.
    #[error("a kid must not begin with a dot: such files are ignored")]
    LeadingDot,
}

impl TryFrom<String> for Kid {
    type Error = KidError;

    fn try_from(text: String) -> Result<Self, KidError> {
        let chars = text.chars().count();
        if chars == 0 || chars > Self::MAX_CHARS {
            return Err(KidError::Length(chars));
        }
        if let Some(wrong) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.~".contains(*c))) {
            return Err(KidError::Character(wrong));
        }
        if text.starts_with('.') {
            return Err(KidError::LeadingDot);
        }
        Ok(Self(text))
    }
}

impl FromStr for Kid {
    type Err = KidError;

    fn from_str(text: &str) -> Result<Self, KidError> {
        Self::try_from(text.to_owned())
    }
}

impl From<Kid> for String {
    fn from(kid: Kid) -> Self {
        kid.0
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_what_stands_unescaped_in_a_url() {
        let longest = "k".repeat(Kid::MAX_CHARS);
        for good in ["1", "rs256-20260102-0a1b2c", "A_b.c~d-", longest.as_str()] {
            assert_eq!(good.parse::<Kid>().unwrap().as_str(), good);
        }
        assert_eq!("".parse::<Kid>(), Err(KidError::Length(0)));
        assert_eq!("k".repeat(129).parse::<Kid>(), Err(KidError::Length(129)));
        assert_eq!(".hidden".parse::<Kid>(), Err(KidError::LeadingDot));
        for (bad, wrong) in [("a/b", '/'), ("a b", ' '), ("ü", 'ü'), ("a\n", '\n')] {
            assert_eq!(bad.parse::<Kid>(), Err(KidError::Character(wrong)));
        }
    }

    #[test]
    fn a_generated_one_tells_alg_and_day() {
        struct Fixed;
        impl Entropy for Fixed {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(0xa7);
            }
        }
        let now: Timestamp = "2026-01-02T23:59:59Z".parse().unwrap();
        assert_eq!(Kid::generated(SigningAlg::EdDsa, now, &Fixed).as_str(), "eddsa-20260102-a7a7a7");
    }
}
