//! The header `If-Match` (RFC 9110 §13.1.1): the change is made only if there was no other since the caller read.
//!
//! Tags are compared strongly, so a weak one never matches. A proxy that compresses an answer makes its tag weak, since
//! the bytes differ; so answers with a tag carry `no-transform`, and the error explains this. To accept weak tags would
//! violate the RFC, and would not help where a proxy replaces the tag.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;

use crate::domain::plan::Precondition;
use crate::http::error::ApiError;

/// The condition of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// None: there is no such header.
    Absent,
    /// `*`: there is a current state.
    Any,
    /// The state has one of these revisions, which are our tags. Other tags cannot match.
    Revisions {
        /// The revisions listed.
        of: Vec<u64>,
        /// Whether weak tags are listed too.
        weak: bool,
    },
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of(&parts.headers)
    }
}

impl IfMatch {
    /// Parses it. Several headers are one list.
    fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let lines = headers.get_all(IF_MATCH).iter().map(|line| line.to_str().ok());
        let Some(lines) = lines.collect::<Option<Vec<_>>>() else { return Err(malformed()) };
        if lines.is_empty() {
            return Ok(Self::Absent);
        }
        let list = lines.join(",");
        if list.trim() == "*" {
            return Ok(Self::Any);
        }
        tags(&list).ok_or_else(malformed)
    }

    /// The condition for a session. One that has ended has no tag, and so no current state.
    pub(crate) fn precondition(&self) -> Precondition {
        match self {
            Self::Absent => Precondition::None,
            Self::Any => Precondition::Lives,
            Self::Revisions { of, .. } => Precondition::Revision(of.clone()),
        }
    }

    /// The error if the condition does not hold.
    pub(crate) fn mismatch(&self) -> ApiError {
        match self {
            Self::Revisions { weak: true, .. } => ApiError::weak_tag(),
            _ => ApiError::revision_mismatch(),
        }
    }
}

fn malformed() -> ApiError {
    ApiError::invalid_header("If-Match", "must be one or more tags such as \"7\", separated by commas, or *")
}

/// `1#entity-tag`, with the empty elements that recipients must accept (RFC 9110 §5.6.1.2).
fn tags(list: &str) -> Option<IfMatch> {
    let (mut of, mut weak, mut any) = (Vec::new(), false, false);
    let mut rest = list.trim_start();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
            continue;
        }
        let strong = rest.strip_prefix("W/").unwrap_or(rest);
        let is_weak = strong.len() < rest.len();
        let (tag, after) = strong.strip_prefix('"')?.split_once('"')?;
        // RFC 9110 §8.8.3: no space, no control character.
        if !tag.bytes().all(|byte| matches!(byte, b'!'..=b'~' | 0x80..)) {
            return None;
        }
        rest = after.trim_start();
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
        any = true;
        weak |= is_weak;
        if !is_weak {
            // Compared byte for byte: "007" is not the tag of revision 7.
            of.extend(tag.parse().ok().filter(|revision: &u64| revision.to_string() == tag));
        }
    }
    any.then_some(IfMatch::Revisions { of, weak })
}
