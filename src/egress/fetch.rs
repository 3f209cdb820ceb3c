//! Fetches a document whose URL is in the configuration, or in the metadata of a configured issuer.
//!
//! Such a URL may have a private address: the policy is for URLs that clients registered.

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

/// Fetches documents. It pools no connections, follows no redirects and uses no proxies.
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
    /// It has more bytes than are read.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// The deadline passed, or the connection broke, before the document was complete.
    #[error("it broke off")]
    BrokenOff,
}

impl Fetcher {
    /// `max_bytes` is the size limit of a document, `timeout` the deadline over DNS, connect, TLS, headers and body.
    /// `authorities` are trusted beside the platform's.
    ///
    /// # Errors
    /// If TLS cannot be set up.
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
            max_pooled: 0,
        })?;
        Ok(Self { outbound, timeout, max_bytes })
    }

    /// The document at `url`.
    ///
    /// # Errors
    /// If there is no complete answer with status 200 in time.
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
            (body, BodyEnd::Complete) => Ok(body),
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
