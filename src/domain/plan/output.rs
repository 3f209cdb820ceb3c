//! What the planner decides.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::delivery::{DeliverySummary, Intent};
use crate::domain::ids::{ClientId, DeliveryId, Sid, Sub};
use crate::domain::initiator::Initiator;
use crate::domain::metadata::SessionMetadata;
use crate::domain::session::{Session, SubjectEnd};

/// What is to be stored, in one transaction, and what is answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Sessions to insert or to replace, by their `sid`.
    pub sessions: Vec<Session>,
    /// Deliveries to insert.
    pub deliveries: Vec<Intent>,
    /// Deliveries of the same sessions that earlier events made: part of the answer.
    pub existing: Vec<DeliverySummary>,
    /// The sessions that the event is about: part of the answer.
    pub sids: Vec<Sid>,
    /// Clients that get no delivery, because their tokens need an identifier that is not known: part of the answer to a
    /// command. An event is refused instead.
    pub unreachable: BTreeSet<ClientId>,
    /// Pending deliveries with a `sub` and no `sid` whose tokens cover this end too.
    pub renewed: Vec<Renewal>,
    /// The recipients of tokens with a `sub` and no `sid`, each with the `sub` in its token.
    pub subject_recipients: Vec<(ClientId, Sub)>,
    /// The end of all sessions of a user, to be stored.
    pub subject_end: Option<SubjectEnd>,
    /// Whether sessions are left to end, in later transactions.
    pub more: bool,
}

/// A pending delivery whose token covers a newer end as well. It expires when a new delivery would, and is due at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The delivery.
    pub id: DeliveryId,
    /// Its client.
    pub client_id: ClientId,
    /// Why the sessions ended.
    pub initiator: Initiator,
    /// The metadata that the client chose to receive.
    pub session_metadata: SessionMetadata,
    /// When attempts stop.
    pub expires_at: Timestamp,
}
