//! A client's sector identifier URI: what groups the clients that share pairwise subjects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

/// A `sector_identifier_uri` (OpenID Connect Dynamic Client Registration §2): absolute, `https`, with a host,
/// without fragment or credentials. The text is kept byte for byte: some OPs hash all of it.
///
/// Nobody fetches it here. That the OP's list behind it names the client was the OP's to check.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SectorIdentifierUri {
    text: String,
    url: Url,
}

impl SectorIdentifierUri {
    /// The longest URI, in bytes.
    pub const MAX_BYTES: usize = 2048;

    /// As it was registered.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Parsed.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// Why a string is no [`SectorIdentifierUri`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectorIdentifierUriError {
    /// Longer than [`SectorIdentifierUri::MAX_BYTES`].
    #[error("must be at most {max} bytes long", max = SectorIdentifierUri::MAX_BYTES)]
    TooLong,
    /// A character that no URI has, or that the parser would change.
    #[error("must consist of visible ASCII characters, without backslashes")]
    Character,
    /// Not an absolute https URI.
    #[error("must be an absolute https URI such as https://rp.example.com/sector.json")]
    NotHttps,
    /// A `#fragment`.
    #[error("must not have a fragment")]
    Fragment,
    /// A `user:password@`.
    #[error("must not contain a user name or password")]
    Credentials,
}

impl FromStr for SectorIdentifierUri {
    type Err = SectorIdentifierUriError;

    fn from_str(text: &str) -> Result<Self, SectorIdentifierUriError> {
        if text.len() > Self::MAX_BYTES {
            return Err(SectorIdentifierUriError::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(SectorIdentifierUriError::Character);
        }
        // The parser forgives `https:host` and `https:///host`; then the host would not be where it seems.
        let has_host = text.strip_prefix("https://").is_some_and(|rest| !rest.starts_with(['/', '?', '#']));
        let url = Url::parse(text).ok().filter(|url| has_host && url.has_host());
        let url = url.ok_or(SectorIdentifierUriError::NotHttps)?;
        if url.fragment().is_some() {
            return Err(SectorIdentifierUriError::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(SectorIdentifierUriError::Credentials);
        }
        Ok(Self { text: text.to_owned(), url })
    }
}

impl TryFrom<String> for SectorIdentifierUri {
    type Error = SectorIdentifierUriError;

    fn try_from(text: String) -> Result<Self, SectorIdentifierUriError> {
        text.parse()
    }
}

impl From<SectorIdentifierUri> for String {
    fn from(uri: SectorIdentifierUri) -> Self {
        uri.text
    }
}

impl fmt::Debug for SectorIdentifierUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sector_identifier_uri_is_kept_byte_for_byte() {
        for text in ["https://RP.example.com", "https://rp.example.com:8443/a%2fb?x", "https://[::1]/"] {
            assert_eq!(text.parse::<SectorIdentifierUri>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_no_sector_identifier_uri_is_refused() {
        use SectorIdentifierUriError::{Character, Credentials, Fragment, NotHttps, TooLong};
        for (text, expected) in [
            ("", NotHttps),
            ("rp.example.com", NotHttps),
            ("/sector.json", NotHttps),
            ("https:rp.example.com", NotHttps),
            ("https:///rp.example.com", NotHttps),
            ("https://?x", NotHttps),
            ("http://rp.example.com", NotHttps),
            ("https://rp.example.com/ä", Character),
            ("https://rp.example.com/ x", Character),
            ("https:\\\\rp.example.com", Character),
            ("https://rp.example.com/#", Fragment),
            ("https://user@rp.example.com/", Credentials),
            (&format!("https://rp.example.com/{}", "x".repeat(2048)), TooLong),
        ] {
            assert_eq!(text.parse::<SectorIdentifierUri>(), Err(expected), "{text}");
        }
    }
}
