//! An identifier in the path of a request. Ids come from others: a `/`, `?` or space in one must not change the path.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All characters except the unreserved ones of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One segment of a path. Its `Display` is percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment(String);

/// Why a text cannot be a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SegmentError {
    #[error("must not be empty")]
    Empty,
    #[error("`.` and `..` cannot be part of a URL, in any encoding")]
    Dots,
}

impl Segment {
    /// The text as typed.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl FromStr for Segment {
    type Err = SegmentError;

    fn from_str(text: &str) -> Result<Self, SegmentError> {
        match text {
            "" => Err(SegmentError::Empty),
            // In a URL `%2e` means a dot, too.
            "." | ".." => Err(SegmentError::Dots),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        utf8_percent_encode(&self.0, RESERVED).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    #[test]
    fn what_a_url_cannot_name_is_refused() {
        assert_eq!("".parse::<Segment>(), Err(SegmentError::Empty));
        for dots in [".", ".."] {
            assert_eq!(dots.parse::<Segment>(), Err(SegmentError::Dots));
        }
        assert_eq!(
            "auth0|a b/../c?d#e%2f~".parse::<Segment>().unwrap().to_string(),
            "auth0%7Ca%20b%2F..%2Fc%3Fd%23e%252f~"
        );
    }

    proptest! {
        #[test]
        fn a_segment_stays_one_segment_and_comes_back_as_it_was(text in "([a./%?#\\\\\u{0}-\u{10ffff}]|2e){1,8}") {
            prop_assume!(!matches!(text.as_str(), "." | ".."));
            let segment: Segment = text.parse().unwrap();
            let url = Url::parse(&format!("http://localhost/sessions/{segment}/revoke?x=y#z")).unwrap();
            let path: Vec<_> = url.path_segments().unwrap().collect();
            prop_assert_eq!(path.len(), 3);
            prop_assert_eq!(percent_encoding::percent_decode_str(path[1]).decode_utf8().unwrap(), text);
            prop_assert_eq!((path[0], path[2], url.query(), url.fragment()), ("sessions", "revoke", Some("x=y"), Some("z")));
        }
    }
}
