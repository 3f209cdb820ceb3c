//! Sector identifier URIs: clients of the same sector share pairwise subjects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use super::uri::{self, UriError};

/// A `sector_identifier_uri` (OpenID Connect Dynamic Client Registration §2): absolute, `https`, with a host,
/// without fragment or credentials. The text is kept byte for byte: some OPs hash all of it.
///
/// logoutd does not fetch it: checking that the client is listed there is the OP's task at registration.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SectorIdentifierUri {
    text: String,
    url: Url,
}

impl SectorIdentifierUri {
    /// The longest URI, in bytes.
    pub const MAX_BYTES: usize = 2048;

    /// The text as registered.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads a stored URI. Only URL syntax is checked, because it may have been registered under less strict rules.
    ///
    /// # Errors
    /// If the text is not a URL.
    pub fn from_stored(text: String) -> Result<Self, url::ParseError> {
        let url = Url::parse(&text)?;
        Ok(Self { text, url })
    }

    /// The parsed URL.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// Why a string is not a [`SectorIdentifierUri`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectorIdentifierUriError {
    /// Longer than [`SectorIdentifierUri::MAX_BYTES`].
    #[error("must be at most {max} bytes long", max = SectorIdentifierUri::MAX_BYTES)]
    TooLong,
    /// Not a URI with a host.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// Not https.
    #[error("must be an https URI such as https://rp.example.com/sector.json")]
    NotHttps,
    /// A `#fragment`.
    #[error("must not have a fragment")]
    Fragment,
}

impl FromStr for SectorIdentifierUri {
    type Err = SectorIdentifierUriError;

    fn from_str(text: &str) -> Result<Self, SectorIdentifierUriError> {
        if text.len() > Self::MAX_BYTES {
            return Err(SectorIdentifierUriError::TooLong);
        }
        let url = uri::parse(text)?;
        if url.scheme() != "https" {
            return Err(SectorIdentifierUriError::NotHttps);
        }
        if url.fragment().is_some() {
            return Err(SectorIdentifierUriError::Fragment);
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
            let uri: SectorIdentifierUri = text.parse().unwrap();
            assert_eq!((uri.as_str(), String::from(uri.clone())), (text, text.to_owned()));
        }
        let longest = format!("https://rp.example.com/{}", "x".repeat(SectorIdentifierUri::MAX_BYTES - 23));
        assert_eq!(longest.parse::<SectorIdentifierUri>().unwrap().as_str(), longest);
    }

    #[test]
    fn stored_uris_are_read_under_less_strict_rules() {
        let read = |text: &str| SectorIdentifierUri::from_stored(text.to_owned());
        let kept = read("http://user@rp.example.com/#x").unwrap();
        assert_eq!(
            (kept.as_str(), kept.url().host_str()),
            ("http://user@rp.example.com/#x", Some("rp.example.com"))
        );
        assert!(read("rp.example.com").is_err());
    }

    #[test]
    fn invalid_sector_identifier_uris_are_rejected() {
        use SectorIdentifierUriError::{Fragment, NotHttps, TooLong, Uri};
        use UriError::{Credentials, NotAbsolute};
        for (text, expected) in [
            ("", Uri(NotAbsolute)),
            ("https:rp.example.com", Uri(NotAbsolute)),
            ("http://rp.example.com", NotHttps),
            ("https://rp.example.com/#", Fragment),
            ("https://user@rp.example.com/", Uri(Credentials)),
            (&format!("https://rp.example.com/{}", "x".repeat(2048)), TooLong),
        ] {
            assert_eq!(text.parse::<SectorIdentifierUri>(), Err(expected), "{text}");
        }
        for text in
            ["https:///rp.example.com", "https://?x", "https://{x}.example", "https://rp.example.com/\u{e4}"]
        {
            assert!(matches!(text.parse::<SectorIdentifierUri>(), Err(Uri(_))), "{text}");
        }
    }
}
