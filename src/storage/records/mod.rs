//! The JSON that is stored, as types of its own: a column of the database holds one of these records.
//!
//! A record has the names and the layout that rows have on disk, whatever the domain calls the same things today, so
//! that a member renamed in [`domain`](crate::domain) changes no stored row: the conversions stop compiling where they
//! no longer fit. Every backend stores the same JSON.
//!
//! Only members belong to records. Single values (ids, URIs, the words of a fixed set such as `in_flight`) and plain
//! lists and maps of these are stored in their own text form, which is also that of the API.
//!
//! The files under `golden/` pin what is written; each is read back by the same test. A record may gain a member with
//! `#[serde(default)]`, which rows from before lack. Any other change needs a migration.

mod client;
mod delivery_filter;
#[cfg(test)]
mod golden;
mod log;
mod receipt;
mod session;
mod session_details;

pub(super) use client::ClientDocument;
pub(super) use delivery_filter::DeliveryFilterRecord;
pub(super) use log::{ChangeRecord, OutcomeRecord};
pub(super) use receipt::{DeliverySummaryRecord, ReceiptRecord};
pub(super) use session::{DecidedRecord, MemberRecord};
pub(super) use session_details::SessionDetailsRecord;
