//! Where a client's logout tokens go.

use url::Url;

use crate::domain::uri::UriError;
use crate::domain::written_uri::written_uri;

written_uri! {
    /// A `backchannel_logout_uri`: absolute, `http` or `https`, with a host, without fragment or credentials
    /// (Back-Channel Logout 1.0 §2.2), in the form in which it is used (see [`uri`](crate::domain::uri)). The text is
    /// kept byte for byte, its query included.
    ///
    /// The egress policy decides whether `http` and the address are allowed.
    LogoutUri, LogoutUriError
}

/// Why a string is no [`LogoutUri`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoutUriError {
    /// Longer than [`LogoutUri::MAX_BYTES`].
    #[error("must be at most {max} bytes long", max = LogoutUri::MAX_BYTES)]
    TooLong,
    /// Not a URI that a request can be sent to.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// A `#fragment`.
    #[error("must not have a fragment (Back-Channel Logout 1.0, section 2.2)")]
    Fragment,
}

impl LogoutUri {
    fn check(url: &Url) -> Result<(), LogoutUriError> {
        if url.fragment().is_some() {
            return Err(LogoutUriError::Fragment);
        }
        Ok(())
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
            let uri: LogoutUri = text.parse().unwrap();
            assert_eq!((uri.as_str(), String::from(uri.clone())), (text, text.to_owned()));
        }
        let sized = |bytes: usize| format!("https://rp.example.com/{}", "x".repeat(bytes - 23));
        assert!(sized(LogoutUri::MAX_BYTES).parse::<LogoutUri>().is_ok());
        assert_eq!(sized(LogoutUri::MAX_BYTES + 1).parse::<LogoutUri>(), Err(LogoutUriError::TooLong));
    }

    #[test]
    fn what_is_no_logout_uri_says_why() {
        for (text, expected) in [
            ("/logout", "must be an absolute URI"),
            ("https://", "must have a host that can be looked up: it is missing after //"),
            ("https:///rp.example.com", "must have a host that can be looked up: it is missing after //"),
            ("https://{tenant}.example.com", "must not contain `{`"),
            (" https://rp.example.com/", "must not contain a space"),
            ("https://rp.example.com\\@evil.example/", "must not contain `\\`"),
            ("ftp://rp.example.com/", "must be an https URI, not ftp:"),
            ("https://rp.example.com/#x", "must not have a fragment"),
            ("https://rp.example.com/#", "must not have a fragment"),
            ("https://user:secret@rp.example.com/", "must not contain a user name"),
        ] {
            let error = text.parse::<LogoutUri>().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn one_that_is_stored_is_read_under_looser_rules() {
        for text in ["https://{tenant}.example.com", "https:///rp.example.com", "https://127.1/{x}"] {
            assert!(text.parse::<LogoutUri>().is_err(), "{text}");
            assert_eq!(LogoutUri::from_stored(text.to_owned()).unwrap().as_str(), text);
        }
    }
}
