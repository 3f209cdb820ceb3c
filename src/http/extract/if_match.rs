//! The header `If-Match` (RFC 9110 §13.1.1): only if nobody else has changed what is to be changed.
//!
//! Tags are compared strongly: a weak one matches nothing. A proxy that compresses an answer on the way makes its tag
//! weak, since the bytes are others then; so answers with a tag ask not to be transformed, and the error says what the
//! matter is. To let a weak tag pass for a strong one would be against the RFC, and no help where a proxy writes
//! another tag altogether.

use axum::http::HeaderMap;
use axum::http::header::IF_MATCH;

use crate::domain::plan::Precondition;
use crate::http::error::ApiError;

/// What the header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// Nothing: there is no such header.
    Absent,
    /// That there is a current state, whichever: `*`.
    Any,
    /// That the state has one of these revisions, which are our tags. Other tags cannot match.
    Revisions {
        /// The revisions that are named.
        of: Vec<u64>,
        /// Whether weak tags are named too.
        weak: bool,
    },
}

impl IfMatch {
    /// Reads it. Several headers are one list.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
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

    /// What must be so of a session. One that has ended has no tag, and so is no current state.
    pub(crate) fn precondition(&self) -> Precondition {
        match self {
            Self::Absent => Precondition::None,
            Self::Any => Precondition::Lives,
            Self::Revisions { of, .. } => Precondition::Revision(of.clone()),
        }
    }

    /// What is answered if it is not so.
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

/// `1#entity-tag`, with the empty elements that RFC 9110 §5.6.1.2 has recipients take.
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
            // Byte for byte: "007" is a tag of somebody else's.
            of.extend(tag.parse().ok().filter(|revision: &u64| revision.to_string() == tag));
        }
    }
    any.then_some(IfMatch::Revisions { of, weak })
}
