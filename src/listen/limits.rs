//! The limits of a listener's connections.

use std::time::Duration;

/// The limits of a listener's connections. Tests use smaller ones.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most open connections, not counting TLS handshakes in progress.
    pub connections: usize,
    /// How long a connection may have no request in flight: until the first request's headers are complete, between a
    /// response and the next request, and for reading the last response.
    pub idle: Duration,
    /// How long a peer may read no byte of what is written to it.
    pub stall: Duration,
    /// How long receiving a request's body may take.
    pub body: Duration,
    /// How long a graceful shutdown of a connection may take.
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
