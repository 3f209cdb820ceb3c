//! A client: a registered relying party, where its logout tokens go and what they look like.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::algorithm::SigningAlg;
use super::ids::ClientId;
use super::initiator::Initiators;
use super::metadata::MetadataChoice;
use super::sector::SectorIdentifierUri;

/// A registered relying party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The `aud` of its tokens.
    pub client_id: ClientId,
    /// A name for people.
    pub client_name: Option<String>,
    /// Where its tokens go, by POST. Without one it is registered, but not subscribed to logouts.
    pub backchannel_logout_uri: Option<LogoutUri>,
    /// Whether its tokens must carry a `sid` (Back-Channel Logout 1.0 §2.2).
    pub backchannel_logout_session_required: bool,
    /// What its tokens are signed with (§2.6).
    pub id_token_signed_response_alg: SigningAlg,
    /// Which ends of a session it hears of.
    pub initiators: Initiators,
    /// Which session metadata its tokens carry.
    pub session_metadata: MetadataChoice,
    /// The shape of its tokens.
    pub token: TokenOptions,
    /// How it is told that every session of a user ended.
    pub subject_logout: SubjectLogout,
    /// Whether it knows users by the OP's `sub` or by one of its own (OpenID Connect Core §8).
    pub subject_type: SubjectType,
    /// Its host stands for the group of clients that share pairwise subjects. Without one, that of the
    /// logout URI does.
    pub sector_identifier_uri: Option<SectorIdentifierUri>,
    /// An operator's switch: while it is off, deliveries wait.
    pub enabled: bool,
    /// What else its registration says of it. It is kept and given back, and nothing here acts on it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub descriptive: BTreeMap<String, Value>,
}

impl Client {
    /// A client with nothing but its id: not subscribed, everything else by default.
    pub fn new(client_id: ClientId) -> Self {
        Self {
            client_id,
            client_name: None,
            backchannel_logout_uri: None,
            backchannel_logout_session_required: false,
            id_token_signed_response_alg: SigningAlg::Rs256,
            initiators: Initiators::default(),
            session_metadata: MetadataChoice::default(),
            token: TokenOptions::default(),
            subject_logout: SubjectLogout::default(),
            subject_type: SubjectType::default(),
            sector_identifier_uri: None,
            enabled: true,
            descriptive: BTreeMap::new(),
        }
    }

    /// Which of its settings contradict each other.
    pub fn contradictions(&self) -> Vec<Contradiction> {
        let mut found = Vec::new();
        let session_required = self.backchannel_logout_session_required;
        if session_required && self.token.subject == TokenSubject::Sub {
            let fix = "must be \"sid+sub\" or \"sid\": backchannel_logout_session_required asks for a sid";
            found.push(Contradiction { field: "token.subject", fix });
        }
        if self.subject_logout == SubjectLogout::Sub
            && (session_required || self.token.subject == TokenSubject::Sid)
        {
            let fix = "must be \"sid\": this client's tokens must have a sid";
            found.push(Contradiction { field: "subject_logout", fix });
        }
        if self.subject_type == SubjectType::Public && self.sector_identifier_uri.is_some() {
            let fix = "is for clients with the subject_type \"pairwise\" only";
            found.push(Contradiction { field: "sector_identifier_uri", fix });
        }
        found
    }
}

/// A setting of a client that contradicts another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The setting.
    pub field: &'static str,
    /// What it must be, and why.
    pub fix: &'static str,
}

/// A client as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRecord {
    /// The client.
    pub client: Client,
    /// Who manages it.
    pub origin: Origin,
    /// It has a `backchannel_logout_uri`, and its RP has not answered 410 (Gone) since that was set.
    pub subscribed: bool,
    /// Counts its changes, so that a change can be made on the condition that nobody else made one.
    pub revision: u64,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Who manages a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The configuration file: it is read-only here.
    File,
    /// The management API.
    Api,
}

impl Origin {
    /// The name used in the store and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
        }
    }
}

/// How a client is told that every session of a user ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectLogout {
    /// A token for each session it takes part in. Some receivers can do nothing with a `sub` alone.
    #[default]
    Sid,
    /// One token with the `sub` alone, which means every session of the user (Back-Channel Logout 1.0 §2.4).
    Sub,
}

/// What a client knows users by (OpenID Connect Core §8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectType {
    /// The OP's `sub`, the same at every such client.
    #[default]
    Public,
    /// A `sub` of the client's own, or of its sector's. It is never told the public one.
    Pairwise,
}

/// What differs between clients in the token itself: no single choice suits every receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenOptions {
    /// How long a token is valid: `exp` − `iat`.
    pub ttl: Duration,
    /// The header's `typ`.
    pub typ: TokenTyp,
    /// Which of `sid` and `sub` it carries.
    pub subject: TokenSubject,
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

/// A `backchannel_logout_uri`: absolute, `http` or `https`, with a host, without fragment or credentials
/// (Back-Channel Logout 1.0 §2.2). The text is kept byte for byte, its query included.
///
/// Whether `http` and the address are allowed is the egress policy's to say, not this type's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogoutUri {
    text: String,
    url: Url,
}

impl LogoutUri {
    /// The longest URI, in bytes.
    pub const MAX_BYTES: usize = 2048;

    /// As it was registered.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Parsed, for connecting to it.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// Why a string is no [`LogoutUri`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoutUriError {
    /// Longer than [`LogoutUri::MAX_BYTES`].
    #[error("must be at most {max} bytes long", max = LogoutUri::MAX_BYTES)]
    TooLong,
    /// A character no URI has.
    #[error("must not contain spaces, control characters or backslashes")]
    Character,
    /// Not an absolute URI.
    #[error("must be an absolute URI such as https://rp.example.com/backchannel-logout ({0})")]
    NotAbsolute(url::ParseError),
    /// Neither `https` nor `http`.
    #[error("must be an https URI, not {0}:")]
    Scheme(String),
    /// A `#fragment`.
    #[error("must not have a fragment (Back-Channel Logout 1.0, section 2.2)")]
    Fragment,
    /// A `user:password@`.
    #[error("must not contain a user name or password")]
    Credentials,
}

impl TryFrom<String> for LogoutUri {
    type Error = LogoutUriError;

    fn try_from(text: String) -> Result<Self, LogoutUriError> {
        if text.len() > Self::MAX_BYTES {
            return Err(LogoutUriError::TooLong);
        }
        // `Url::parse` forgives browsers' users much that another parser would read differently.
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(LogoutUriError::Character);
        }
        let url = Url::parse(&text).map_err(LogoutUriError::NotAbsolute)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(LogoutUriError::Scheme(url.scheme().to_owned()));
        }
        if !text.contains("://") {
            return Err(LogoutUriError::NotAbsolute(url::ParseError::RelativeUrlWithoutBase));
        }
        if url.fragment().is_some() {
            return Err(LogoutUriError::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(LogoutUriError::Credentials);
        }
        Ok(Self { text, url })
    }
}

impl FromStr for LogoutUri {
    type Err = LogoutUriError;

    fn from_str(text: &str) -> Result<Self, LogoutUriError> {
        Self::try_from(text.to_owned())
    }
}

impl From<LogoutUri> for String {
    fn from(uri: LogoutUri) -> Self {
        uri.text
    }
}

impl fmt::Debug for LogoutUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for LogoutUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logout_uri_is_kept_byte_for_byte() {
        for text in
            ["https://rp.example.com/logout?tenant=a%2Fb&x", "https://RP.example.com", "http://[::1]:8/x"]
        {
            assert_eq!(text.parse::<LogoutUri>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_no_logout_uri_says_why() {
        for (text, expected) in [
            ("/logout", "must be an absolute URI"),
            ("rp.example.com/logout", "must be an absolute URI"),
            ("https://", "must be an absolute URI"),
            ("https:rp.example.com", "must be an absolute URI"),
            (" https://rp.example.com/", "must not contain spaces"),
            ("https://rp.example.com\\@evil.example/", "must not contain spaces"),
            ("ftp://rp.example.com/", "must be an https URI, not ftp:"),
            ("https://rp.example.com/#x", "must not have a fragment"),
            ("https://rp.example.com/#", "must not have a fragment"),
            ("https://user:secret@rp.example.com/", "must not contain a user name"),
        ] {
            let error = text.parse::<LogoutUri>().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
