//! What a peer may hold of a listener, and for how long.

use std::time::Duration;

/// The limits of a listener's connections. Tests use smaller ones.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections may be open, TLS handshakes under way not counted.
    pub connections: usize,
    /// How long a connection is kept on which nothing is being answered: from its first byte to the end of the
    /// first request's headers, between an answer and the next request, and for taking the last answer.
    pub idle: Duration,
    /// How long a peer may take no byte of what is written to it.
    pub stall: Duration,
    /// How long a request's body may take from its beginning to its end.
    pub body: Duration,
    /// How long a connection that is being closed has to finish what was begun.
    pub farewell: Duration,
}

impl Limits {
    /// The limits of a service, with this many connections.
    pub fn with_connections(connections: usize) -> Self {
        Self {
            connections,
            idle: Duration::from_mins(1),
            stall: Duration::from_secs(30),
            body: Duration::from_mins(1),
            farewell: Duration::from_secs(5),
        }
    }
}
