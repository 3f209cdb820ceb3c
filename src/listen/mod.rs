//! The listeners' connections: served with limits to what a silent peer may hold, and TLS for those that have
//! it, with certificates from files that are kept up to date and handshakes that hold nobody up.
//!
//! [`Tls`] is what the files say at present; [`TlsListener`] accepts connections with it, which negotiate
//! HTTP/2 or HTTP/1.1 (ALPN); [`serve()`] serves them, as it does plain ones. Nothing here knows a route.

mod error;
mod expiry;
mod files;
mod identity;
mod listener;
mod serve;
#[cfg(test)]
mod test_support;
mod tls;
mod watch;

pub use error::{TlsError, TlsErrorReason, TlsFile};
pub use files::{ClientAuth, TlsFiles};
pub use listener::TlsListener;
pub use serve::serve;
pub use tls::{Tls, TlsConfig, check};
