//! `[management]`: the listener for operators, which should not be reachable from the internet.

use std::net::{Ipv4Addr, SocketAddr};

use super::reader::Section;
use super::server::{Server, listener, max_connections};
use super::tls::Tls;

/// `[management]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Management {
    /// Where it listens; 127.0.0.1:8081 by default. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// `[management.tls]`; without it the listener speaks plain HTTP.
    pub tls: Option<Tls>,
    /// The most open connections; `None`: 1024, or fewer as the process's limit of open files requires.
    pub max_connections: Option<u32>,
}

impl Management {
    pub(super) fn read(section: &mut Section<'_>, server: &Server) -> Self {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 8081));
        let listen = section.optional("listen", listener).unwrap_or(default);
        if overlap(server.listen, listen) {
            section.problem(
                "listen",
                format!("needs an address of its own: {} is server.listen's", server.listen),
            );
        }
        Self {
            listen,
            tls: section.optional_table("tls", Tls::read).flatten(),
            max_connections: section.optional("max_connections", max_connections),
        }
    }
}

/// Whether only one of the two addresses could be bound.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let any = |address: SocketAddr| address.ip().is_unspecified();
    let same_family = a.is_ipv4() == b.is_ipv4();
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || (same_family && (any(a) || any(b))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_listeners_need_two_addresses() {
        for (a, b, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "[::1]:1", false),
            ("[::1]:1", "[::]:1", true),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            assert_eq!(overlap(a.parse().unwrap(), b.parse().unwrap()), expected, "{a} {b}");
        }
    }
}
