//! Extractors: parts of a request, with errors in the shape that all errors have.

mod body;
mod if_match;
mod list_permit;
mod path;
mod peer;
pub(crate) mod prefer;
pub(crate) mod query;

pub(crate) use body::{ApiChange, ApiJson, Member, OptionalApiJson, object};
pub(crate) use if_match::IfMatch;
pub(crate) use list_permit::ListPermit;
pub use list_permit::ListPermits;
pub(crate) use path::{ApiPath, PathSegment};
pub use peer::Peer;
pub(crate) use peer::{address, source};
pub(crate) use query::Query;
