//! Fetching of the issuer's keys: discovery document, then JWKS.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use url::{Host, Url};

use super::key_set::KeySet;
use crate::authorities::{self, AuthoritiesError};
use crate::config;
use crate::domain::uri;
use crate::egress::{self, Fetcher, TlsError};

/// The total timeout for each of the two documents, from DNS to the end of the body.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest accepted document, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Fetches keys; a trait so that tests can replace it.
#[async_trait]
pub(super) trait FetchKeys: Send + Sync + 'static {
    /// The issuer's current keys.
    async fn fetch(&self) -> Result<KeySet, FetchError>;
}

/// The configuration of access tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    /// `access.jwt.ca_file` cannot be used.
    #[error("access.jwt.ca_file: {0}")]
    CaFile(#[source] AuthoritiesError),
    /// TLS could not be set up.
    #[error("the HTTP client for access.jwt cannot be set up")]
    Client(#[source] TlsError),
}

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{url} cannot be fetched")]
    Get { url: Url, source: egress::FetchError },
    #[error("the issuer {0} is not a URL")]
    Issuer(String),
    #[error("{url} is not a discovery document")]
    Discovery { url: Url, source: serde_json::Error },
    #[error("{url} has another issuer")]
    OtherIssuer { url: Url },
    #[error("{url} has a jwks_uri that is not an https URL; access.jwt.allow_http allows http")]
    Scheme { url: Url },
    #[error("{url} is not a JWKS")]
    Jwks { url: Url, source: serde_json::Error },
}

/// Fetches keys over HTTP.
pub(super) struct HttpJwks {
    fetcher: Fetcher,
    issuer: String,
    jwks_uri: Option<Url>,
    allow_http: bool,
}

/// The used members of a discovery document (OpenID Connect Discovery 1.0 §3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl HttpJwks {
    /// Sets the client up.
    pub(super) fn new(config: &config::Jwt) -> Result<Self, JwtError> {
        let roots = config.ca_file.as_deref().map(authorities::read).transpose().map_err(JwtError::CaFile)?;
        let fetcher =
            Fetcher::new(roots.unwrap_or_default(), TIMEOUT, MAX_BYTES).map_err(JwtError::Client)?;
        let config::Jwt { issuer, jwks_uri, allow_http, .. } = config.clone();
        Ok(Self { fetcher, issuer, jwks_uri, allow_http })
    }

    async fn discover(&self) -> Result<Url, FetchError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|_| FetchError::Issuer(self.issuer.clone()))?;
        let document = self.get(&url).await?;
        let document: Discovery = serde_json::from_slice(&document)
            .map_err(|source| FetchError::Discovery { url: url.clone(), source })?;
        // Discovery §4.3: the document's issuer must be the one it was requested for.
        if document.issuer != self.issuer {
            return Err(FetchError::OtherIssuer { url });
        }
        match uri::parse(&document.jwks_uri) {
            Ok(jwks_uri) if self.may_fetch(&jwks_uri) => Ok(jwks_uri),
            _ => Err(FetchError::Scheme { url }),
        }
    }

    fn may_fetch(&self, url: &Url) -> bool {
        match url.scheme() {
            "https" => true,
            "http" => self.allow_http || is_loopback(url),
            _ => false,
        }
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        self.fetcher.get(url).await.map_err(|source| FetchError::Get { url: url.clone(), source })
    }
}

#[async_trait]
impl FetchKeys for HttpJwks {
    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let url = match &self.jwks_uri {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let text = self.get(&url).await?;
        KeySet::parse(&text).map_err(|source| FetchError::Jwks { url, source })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
