//! Fetching a document whose URL an operator gave, or that an issuer of the operator's choice names.
//!
//! The operator may well mean a private address: the guard against those is for URLs that come from clients.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Uri};
use rustls::pki_types::CertificateDer;
use tokio::time::Instant;
use url::Url;

use super::outbound::{BodyEnd, Outbound, OutboundConfig, SendError, SendErrorKind, SystemLookup, TlsError};

/// Fetches documents. It keeps no connections, follows no redirects and uses no proxies.
pub struct Fetcher {
    outbound: Outbound,
    timeout: Duration,
    max_bytes: usize,
}

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There was no answer.
    #[error("it cannot be reached")]
    Unreachable(#[source] SendError),
    /// It answered another status than 200.
    #[error("it answers {0}")]
    Status(u16),
    /// It has more than so many bytes.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// It did not come in time, or not whole.
    #[error("it broke off")]
    BrokenOff,
}

impl Fetcher {
    /// A document may have `max_bytes`; `timeout` is the deadline over DNS, connect, TLS, headers and body.
    /// `authorities` are trusted beside the platform's.
    pub fn new(
        authorities: Vec<CertificateDer<'static>>,
        timeout: Duration,
        max_bytes: usize,
    ) -> Result<Self, TlsError> {
        let outbound = Outbound::new(OutboundConfig {
            lookup: Arc::new(SystemLookup::new()),
            policy: None,
            connect_timeout: timeout,
            authorities,
            max_body_bytes: max_bytes,
            max_kept: 0,
        })?;
        Ok(Self { outbound, timeout, max_bytes })
    }

    /// The document at `url`.
    pub async fn get(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        let deadline = Instant::now() + self.timeout;
        let unusable = || FetchError::Unreachable(SendError::before_connecting(SendErrorKind::InvalidUri));
        let uri: Uri = url.as_str().parse().map_err(|_| unusable())?;
        let request = Request::get(uri).body(Full::<Bytes>::default()).map_err(|_| unusable())?;
        let answered = self.outbound.send(request, deadline).await.result.map_err(FetchError::Unreachable)?;
        if answered.status != 200 {
            return Err(FetchError::Status(answered.status));
        }
        match answered.read(deadline).await {
            (body, BodyEnd::Whole) => Ok(body),
            (_, BodyEnd::TooLong) => Err(FetchError::TooLong(self.max_bytes)),
            (_, BodyEnd::BrokenOff) => Err(FetchError::BrokenOff),
        }
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
