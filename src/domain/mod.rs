//! The pure core: what the words of the contract mean, and what follows from an event.
//!
//! Nothing here does I/O, reads a clock, draws randomness or knows a database, HTTP or a configuration
//! file; time and randomness come in as arguments. It imports nothing else of the crate.

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

#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;
