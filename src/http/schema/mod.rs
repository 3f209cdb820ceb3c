//! Pieces of the wire format that several resources share, and their schemas.

mod parameters;
mod time;
mod types;

pub(super) use parameters::{
    Checkpoint, DEFAULT_PAGE, IfMatch, MAX_PAGE, Take, field_parameters, whole_number,
};
pub(super) use time::{Shown, shown};
pub(super) use types::{
    DeliverySummary, FinalStates, JwtConfiguration, LogSort, OidcLogoutInitiators, SearchEngine, Uuid,
    any_of, described, identifier, one_of, reference, shared_schemas, text,
};
