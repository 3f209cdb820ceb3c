//! Identifiers: validated strings, with a type for each kind.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest identifier, in characters: the limit of `sub` (OpenID Connect Core §2), used for all identifiers.
pub const MAX_ID_CHARS: usize = 255;

/// Why a string is not a valid identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The string is empty.
    #[error("must not be empty")]
    Empty,
    /// More than [`MAX_ID_CHARS`] characters.
    #[error("must be at most {MAX_ID_CHARS} characters long, and has {0}")]
    TooLong(usize),
    /// A control character, which would break logs and headers.
    #[error("must not contain control characters")]
    Control,
    /// `.` or `..`: URL parsers remove them as dot segments even if percent-encoded (RFC 3986 §5.2.4), so such an id
    /// could not be used in a path.
    #[error("must not be `.` or `..`, which cannot be named in a URL")]
    Dots,
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    let chars = text.chars().count();
    if chars > MAX_ID_CHARS {
        return Err(IdError::TooLong(chars));
    }
    if text.chars().any(char::is_control) {
        return Err(IdError::Control);
    }
    if matches!(text, "." | "..") {
        return Err(IdError::Dots);
    }
    Ok(())
}

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                check(&text)?;
                Ok(Self(text))
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

string_id! {
    /// A client's `client_id`.
    ClientId
}
string_id! {
    /// A session's `sid`.
    Sid
}
string_id! {
    /// A `sub`: the OP's public one, or a client's pairwise one. Personal data: it has no `Display` and its `Debug`
    /// hides the value, so that it does not get into logs.
    Sub
}

string_id! {
    /// An API token's name. Not unique.
    TokenName
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sub(…)")
    }
}

/// A delivery's id: a version 7 UUID, so that ids sort by creation time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub Uuid);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_1_to_255_characters_and_can_be_used_in_a_path() {
        for text in ["a", "...", "auth0|abc", "ü", &"x".repeat(255), &"ü".repeat(255)] {
            assert_eq!(text.parse::<ClientId>().unwrap().as_str(), text);
        }
        for (text, expected) in [
            ("", IdError::Empty),
            (".", IdError::Dots),
            ("..", IdError::Dots),
            ("a\nb", IdError::Control),
            (&"x".repeat(256), IdError::TooLong(256)),
        ] {
            assert_eq!(text.parse::<Sid>().unwrap_err(), expected);
        }
    }
}
