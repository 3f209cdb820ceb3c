//! Sector identifier URIs: clients of the same sector share pairwise subjects.

use url::Url;

use super::uri::UriError;
use super::written_uri::written_uri;

written_uri! {
    /// A `sector_identifier_uri` (OpenID Connect Dynamic Client Registration §2): absolute, `https`, with a host,
    /// without fragment or credentials. The text is kept byte for byte: some OPs hash all of it.
    ///
    /// logoutd does not fetch it: checking that the client is listed there is the OP's task at registration.
    SectorIdentifierUri, SectorIdentifierUriError
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

impl SectorIdentifierUri {
    fn check(url: &Url) -> Result<(), SectorIdentifierUriError> {
        if url.scheme() != "https" {
            return Err(SectorIdentifierUriError::NotHttps);
        }
        if url.fragment().is_some() {
            return Err(SectorIdentifierUriError::Fragment);
        }
        Ok(())
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
