//! `[server]`: the listener for sources and relying parties.

use std::net::{Ipv4Addr, SocketAddr};

use super::reader::Section;
use super::source::{Parsed, Value};
use super::tls::Tls;

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens; 127.0.0.1:8080 by default. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// `[server.tls]`; without it the listener speaks plain HTTP.
    pub tls: Option<Tls>,
    /// The most open connections; `None`: 8192, or fewer as the process's limit of open files requires.
    pub max_connections: Option<u32>,
}

impl Server {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        Self {
            listen: section.optional("listen", listener).unwrap_or(default),
            tls: section.optional_table("tls", Tls::read).flatten(),
            max_connections: section.optional("max_connections", max_connections),
        }
    }
}

/// The most connections of a listener. Whether the limit of open files allows them is checked at the start.
pub(super) fn max_connections(value: &Value) -> Parsed<u32> {
    value.integer(8, 1_000_000)
}

/// An address to listen on. Names are rejected, since they can resolve to several addresses.
pub(super) fn listener(value: &Value) -> Parsed<SocketAddr> {
    let refused = "must be an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
    value.text()?.parse().map_err(|_| refused.to_owned())
}
