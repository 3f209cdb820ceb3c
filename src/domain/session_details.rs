//! Optional details of a session: Auth0's `device`, `authentication`, `cookie` and `last_interacted_at`. They are
//! stored and returned by the sessions API; they are not in tokens, and no decision depends on them.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest stored user agent, in characters. Longer ones are truncated, not rejected: the user controls this
/// value, and must not be able to prevent a session from being recorded.
pub const MAX_USER_AGENT_CHARS: usize = 512;
/// The longest autonomous system number, in characters.
pub const MAX_ASN_CHARS: usize = 32;
/// The maximum number of authentication methods.
pub const MAX_METHODS: usize = 50;
/// The longest method name or type, in characters.
pub const MAX_METHOD_CHARS: usize = 255;

/// Details that a source reported. All values are personal data: `Debug` shows only which ones are present.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SessionDetails {
    /// The device at login and at the last activity.
    pub device: Option<Device>,
    /// How the user authenticated, in the source's order.
    pub authentication: Option<Vec<AuthenticationMethod>>,
    /// The user's last activity.
    pub last_interacted_at: Option<Timestamp>,
    /// The lifetime of the OP's session cookie.
    pub cookie: Option<CookieMode>,
}

impl SessionDetails {
    /// Whether no detail is present.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Debug for SessionDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = [
            ("device", self.device.is_some()),
            ("authentication", self.authentication.is_some()),
            ("last_interacted_at", self.last_interacted_at.is_some()),
            ("cookie", self.cookie.is_some()),
        ];
        let names = present.into_iter().filter(|(_, is_present)| *is_present).map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

/// The device of a session.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// At login.
    pub initial: DeviceSnapshot,
    /// At the last activity.
    pub last: DeviceSnapshot,
}

/// A device at one point in time, as a request shows it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DeviceSnapshot {
    /// The `User-Agent` header.
    pub user_agent: Option<UserAgent>,
    /// The IP address.
    pub ip: Option<IpAddr>,
    /// The autonomous system number of the IP address.
    pub asn: Option<Asn>,
}

/// A `User-Agent`, truncated to [`MAX_USER_AGENT_CHARS`] and without control characters.
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

/// The text is empty, too long or has a control character. Contains the maximum length in characters.
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

/// An autonomous system number, as text: Auth0 writes `1221`, others `AS1221`.
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
    /// The factor used, for `mfa`.
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

/// The lifetime of the OP's session cookie.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CookieMode {
    /// It is kept when the browser is closed.
    Persistent,
    /// It is deleted when the browser is closed.
    NonPersistent,
}

impl CookieMode {
    /// Every mode.
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
    fn a_long_user_agent_is_truncated_and_not_rejected() {
        let kept = |text: &str| UserAgent::from(text.to_owned()).as_str().to_owned();
        assert_eq!(kept("Mozilla/5.0 (\r\n\tX11)"), "Mozilla/5.0 (X11)");
        assert_eq!(kept(&"ü".repeat(513)), "ü".repeat(512));
        assert_eq!(kept(""), "");
    }

    #[test]
    fn details_are_empty_without_any_value() {
        assert!(SessionDetails::default().is_empty());
        let details = SessionDetails { cookie: Some(CookieMode::Persistent), ..SessionDetails::default() };
        assert!(!details.is_empty());
        assert_eq!(format!("{details:?}"), "{\"cookie\"}");
    }
}
