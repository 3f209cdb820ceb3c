//! What a source can tell of a session besides whose it is: Auth0's `device`, `authentication`, `cookie` and
//! `last_interacted_at`. They are kept and shown to whoever may read sessions; nothing acts on them, and they are
//! in no token.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The most of a user agent that is kept, in characters. The rest is cut off: users choose what they send, and nobody
/// gets a session that logoutd does not know of by a long one.
pub const MAX_USER_AGENT_CHARS: usize = 512;
/// The longest number of an autonomous system, in characters.
pub const MAX_ASN_CHARS: usize = 32;
/// The most methods of authentication.
pub const MAX_METHODS: usize = 50;
/// The longest name of a method, and of its type, in characters.
pub const MAX_METHOD_CHARS: usize = 255;

/// What a source told. All of it is personal: `Debug` shows only what was told of.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SessionDetails {
    /// Where the user logged in, and was last seen.
    pub device: Option<Device>,
    /// How the user authenticated, in the source's order.
    pub authentication: Option<Vec<AuthenticationMethod>>,
    /// When the user was last there.
    pub last_interacted_at: Option<Timestamp>,
    /// What the OP's cookie is like.
    pub cookie: Option<CookieMode>,
}

impl SessionDetails {
    /// Whether nothing was told.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Debug for SessionDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = [
            ("device", self.device.is_some()),
            ("authentication", self.authentication.is_some()),
            ("last_interacted_at", self.last_interacted_at.is_some()),
            ("cookie", self.cookie.is_some()),
        ];
        f.debug_set().entries(told.into_iter().filter(|(_, told)| *told).map(|(name, _)| name)).finish()
    }
}

/// The device of a session, first and last.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// When the session began.
    pub initial: Whereabouts,
    /// When something was last heard of it.
    pub last: Whereabouts,
}

/// What a request tells of where it came from.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Whereabouts {
    /// The browser's name for itself.
    pub user_agent: Option<UserAgent>,
    /// Its address.
    pub ip: Option<IpAddr>,
    /// The number of the autonomous system that the address belongs to.
    pub asn: Option<Asn>,
}

/// A `User-Agent`: at most [`MAX_USER_AGENT_CHARS`] of it, without control characters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct UserAgent(String);

impl UserAgent {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for UserAgent {
    fn from(text: String) -> Self {
        Self(text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT_CHARS).collect())
    }
}

/// A text is none of what it was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to {0} characters, none of them a control character")]
pub struct TextError(usize);

fn checked(text: String, max: usize) -> Result<String, TextError> {
    let chars = text.chars().count();
    if chars == 0 || chars > max || text.chars().any(char::is_control) {
        Err(TextError(max))
    } else {
        Ok(text)
    }
}

/// The number of an autonomous system, as a text: Auth0 writes `1221`, others `AS1221`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Asn(String);

impl Asn {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Asn {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        checked(text, MAX_ASN_CHARS).map(Self)
    }
}

/// One way in which the user authenticated.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthenticationMethod {
    /// Such as `pwd`, `federated`, `passkey`, `mfa`, or a URL of the OP's own.
    pub name: MethodName,
    /// When.
    pub timestamp: Option<Timestamp>,
    /// Which factor, of `mfa`.
    pub r#type: Option<MethodName>,
}

/// The name of a method or of a factor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct MethodName(String);

impl MethodName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MethodName {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        checked(text, MAX_METHOD_CHARS).map(Self)
    }
}

/// What the OP's cookie is like.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CookieMode {
    /// It outlives the browser.
    Persistent,
    /// It is gone when the browser is closed.
    NonPersistent,
}

impl CookieMode {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Persistent, Self::NonPersistent];

    /// The name used in events and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Persistent => "persistent",
            Self::NonPersistent => "non-persistent",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_without_control_characters() {
        let name = |text: &str| MethodName::try_from(text.to_owned()).map(|it| it.as_str().to_owned());
        let asn = |text: &str| Asn::try_from(text.to_owned()).map(|it| it.as_str().to_owned());
        for text in ["pwd", "urn:example:login method", "ü", &"x".repeat(255), &"ü".repeat(255)] {
            assert_eq!(name(text), Ok(text.to_owned()));
        }
        for text in ["", "p\nwd", "pwd\u{7f}", &"x".repeat(256), &"ü".repeat(256)] {
            assert_eq!(name(text), Err(TextError(255)), "{text}");
        }
        assert_eq!(asn(&"1".repeat(32)), Ok("1".repeat(32)));
        assert_eq!(asn(&"1".repeat(33)), Err(TextError(32)));
    }

    #[test]
    fn a_user_agent_is_cut_off_and_not_refused() {
        let kept = |text: &str| UserAgent::from(text.to_owned()).as_str().to_owned();
        assert_eq!(kept("Mozilla/5.0 (\r\n\tX11)"), "Mozilla/5.0 (X11)");
        assert_eq!(kept(&"ü".repeat(513)), "ü".repeat(512));
        assert_eq!(kept(""), "");
    }

    #[test]
    fn details_are_empty_when_nothing_was_told() {
        assert!(SessionDetails::default().is_empty());
        let told = SessionDetails { cookie: Some(CookieMode::Persistent), ..SessionDetails::default() };
        assert!(!told.is_empty());
        assert_eq!(format!("{told:?}"), "{\"cookie\"}");
    }
}
