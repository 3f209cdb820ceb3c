//! Schemas that several resources share.

pub(super) mod parameters;
pub(super) mod time;
pub(super) mod types;

pub(super) use parameters::{Checkpoint, Take, field_parameters, whole_number};
pub(super) use types::{
    ClientId, CookieMode, DeliveryState, DeliverySummary, FinalStates, Flow, Initiator, JwtConfiguration,
    Kid, LogId, LogSort, LogType, LogoutUri, OidcLogoutInitiators, Origin, SearchEngine, SessionMetadata,
    Sid, SigningAlg, Sub, Uuid, described, one_of, reference, text,
};
