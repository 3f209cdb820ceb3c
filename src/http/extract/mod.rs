//! Parts of a request, read with errors in the shape that all errors have.

pub(super) mod body;
pub(super) mod if_match;
pub(super) mod list_turn;
pub(super) mod path;
pub(super) mod peer;
pub(super) mod prefer;
pub(super) mod query;
