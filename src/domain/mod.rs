//! The domain model and its rules: sessions, clients, deliveries, and the changes that an event causes.
//!
//! Pure: no I/O, no clock, no randomness, no knowledge of the database, HTTP or configuration files. Time and
//! randomness are passed in as arguments. This module imports nothing else from the crate.

pub mod access;
pub mod algorithm;
pub mod breaker;
pub mod client;
pub mod delivery;
pub mod duration;
pub mod event;
pub mod ids;
pub mod initiator;
pub mod log;
pub mod metadata;
pub mod pairwise;
pub mod plan;
pub mod receipt;
pub mod redelivery;
pub mod retry;
pub mod sector;
pub mod session;
pub mod session_details;
pub mod time;
pub mod uri;
mod written_uri;

#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;
