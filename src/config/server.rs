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
}

impl Server {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        Self {
            listen: section.optional("listen", listener).unwrap_or(default),
            tls: section.optional_table("tls", Tls::read).flatten(),
        }
    }
}

/// An address to listen on. Names are refused: which of its addresses is meant would be up to the resolver.
pub(super) fn listener(value: &Value) -> Parsed<SocketAddr> {
    let refused = "must be an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
    value.text()?.parse().map_err(|_| refused.to_owned())
}
