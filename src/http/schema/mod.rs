//! Pieces of the wire format that several resources share, and their schemas.

mod parameters;
mod time;
mod types;

pub(super) use parameters::{
    Checkpoint, DEFAULT_PAGE, IfMatch, MAX_PAGE, Take, field_parameters, whole_number,
};
pub(super) use time::{Shown, shown};
pub(super) use types::{
    ClientId, CookieMode, DeliveryState, DeliverySummary, FinalStates, Flow, Initiator, Initiators,
    JwtConfiguration, Kid, LogId, LogSort, LogType, LogoutUri, MetadataChoice, OidcLogoutInitiators, Origin,
    SearchEngine, SectorIdentifierUri, SessionMetadata, Sid, SigningAlg, Sub, SubjectLogout, SubjectType,
    TokenSubject, TokenTyp, Uuid, any_of, described, identifier, one_of, reference, stand_ins, text,
};
