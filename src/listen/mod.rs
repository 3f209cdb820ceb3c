//! The listeners' connections: served with [limits](Limits) to what a peer may hold, and TLS for those that have
//! it, with certificates from files that are kept up to date and handshakes that hold nobody up.
//!
//! [`Tls`] is what the files say at present; [`TlsListener`] accepts connections with it, which negotiate
//! HTTP/2 or HTTP/1.1 (ALPN); [`serve()`] serves them, as it does plain ones. [`share_out`] says how many there
//! may be. Nothing here knows a route.

mod body;
mod connections;
mod descriptors;
mod error;
mod expiry;
mod files;
mod identity;
mod limits;
mod listener;
mod serve;
#[cfg(test)]
mod test_support;
mod tls;
mod watch;
mod watched;

pub use body::{RequestBody, RequestBodyError};
pub use descriptors::{Shares, TooFewDescriptors, raise_limit, share_out};
pub use error::{TlsError, TlsErrorReason, TlsFile};
pub use files::{ClientAuth, TlsFiles};
pub use limits::Limits;
pub use listener::TlsListener;
pub use serve::{Service, serve};
pub use tls::{Tls, TlsConfig, check};
