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
    /// How many connections may be open; `None`: as the process's limit of descriptors allows, 8192 at the most.
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

/// How many connections a listener may have. Whether the process may is found out when it starts.
pub(super) fn max_connections(value: &Value) -> Parsed<u32> {
    value.integer(8, 1_000_000)
}

/// An address to listen on. Names are refused: which of its addresses is meant would be up to the resolver.
pub(super) fn listener(value: &Value) -> Parsed<SocketAddr> {
    let refused = "must be an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
    value.text()?.parse().map_err(|_| refused.to_owned())
}
