//! The listeners' connections: accepting them, TLS, and serving HTTP within [limits](Limits).
//!
//! [`Tls`] holds the certificate files as last loaded, and reloads them when they change; [`TlsListener`] does handshakes
//! concurrently, negotiating HTTP/2 or HTTP/1.1 (ALPN); [`serve()`] serves TLS and plain connections. [`share_out`] divides the
//! file descriptors. Nothing here knows a route.

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
mod stall;
#[cfg(test)]
mod test_support;
mod tls;
mod watch;

pub use body::{RequestBody, RequestBodyError};
pub use descriptors::{Shares, TooFewDescriptors, raise_limit, share_out};
pub use error::{TlsError, TlsErrorReason, TlsFile};
pub use limits::Limits;
pub use listener::TlsListener;
pub use serve::{Service, serve};
pub use tls::{Tls, check};
