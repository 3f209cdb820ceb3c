//! Where a client's logout tokens go.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

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
