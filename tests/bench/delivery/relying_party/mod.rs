//! The relying party of the bench: a process of its own, so that what it costs is not the service's, and is
//! the same for everything that is measured.
//!
//! It verifies no tokens: that would measure the relying party.

mod handle;
mod server;

pub use handle::RelyingParty;
use serde::{Deserialize, Serialize};
pub use server::run;

/// Where the process listens: the first line it prints.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Addresses {
    /// Tokens.
    tokens: std::net::SocketAddr,
    /// The bench's questions.
    control: std::net::SocketAddr,
}

/// A token that came.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Arrival {
    /// The session in it.
    pub sid: String,
    /// When, in microseconds of the system's clock.
    pub at: i64,
}
