//! TLS for the listeners: certificates from files, kept up to date, and handshakes that hold nobody up.
//!
//! [`Tls`] is what the files say at present; [`TlsListener`] accepts connections with it. A listener that
//! speaks plain HTTP needs none of this. Nothing here knows a route or a request: a connection whose
//! handshake is done is handed to the server as a stream, which negotiated HTTP/2 or HTTP/1.1 (ALPN).

mod error;
mod expiry;
mod files;
mod identity;
mod listener;
#[cfg(test)]
mod test_support;
mod tls;
mod watch;

pub use error::{TlsError, TlsErrorReason, TlsFile};
pub use files::{ClientAuth, TlsFiles};
pub use listener::TlsListener;
pub use tls::{Tls, TlsConfig, check};
