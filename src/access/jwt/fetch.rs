//! Fetches an issuer's keys.
//!
//! The URL is the operator's, who may well mean a private address: the guard against those is for URLs that
//! come from clients.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::redirect;
use serde::Deserialize;
use url::{Host, Url};

use super::JwtConfig;
use super::key_set::KeySet;
use crate::authorities::{self, AuthoritiesError};
use crate::printable;

/// The deadline over DNS, connect, TLS, headers and body, for each of the two documents.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest document, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Fetches keys: the seam for tests.
#[async_trait]
pub(super) trait FetchKeys: Send + Sync + 'static {
    /// The keys as they are now.
    async fn fetch(&self) -> Result<KeySet, FetchError>;
}

/// Access tokens cannot be taken with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    /// `access.jwt.ca_file` cannot be used.
    #[error("access.jwt.ca_file: {0}")]
    CaFile(#[source] AuthoritiesError),
    /// TLS could not be set up.
    #[error(
        "the HTTP client for access.jwt cannot be set up; are the platform's root certificates installed?"
    )]
    Client(#[source] reqwest::Error),
}

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{url} cannot be reached")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("{url} answers {status}")]
    Status { url: String, status: u16 },
    #[error("{url} is longer than {MAX_BYTES} bytes")]
    TooLong { url: String },
    #[error("{url} is no discovery document")]
    Discovery { url: String, source: serde_json::Error },
    #[error("{url} is another issuer's")]
    OtherIssuer { url: String },
    #[error("{url} names a jwks_uri that is no https URL; access.jwt.allow_http allows http")]
    Scheme { url: String },
    #[error("{url} is no JWKS")]
    Jwks { url: String, source: serde_json::Error },
}

/// Fetches keys over HTTP.
pub(super) struct HttpJwks {
    client: reqwest::Client,
    issuer: String,
    jwks_uri: Option<Url>,
    allow_http: bool,
}

/// What is needed of a discovery document (OpenID Connect Discovery 1.0 §3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl HttpJwks {
    /// Sets the client up.
    pub(super) fn new(config: &JwtConfig) -> Result<Self, JwtError> {
        // reqwest takes the process's provider; whoever set one before has set ring's too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let roots = config.ca_file.as_deref().map(authorities::read).transpose().map_err(JwtError::CaFile)?;
        let client = reqwest::Client::builder()
            .user_agent(concat!("logoutd/", env!("CARGO_PKG_VERSION")))
            // Whoever is redirected to would say who may do what here.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(0)
            .tls_certs_merge(roots.unwrap_or_default())
            .build()
            .map_err(JwtError::Client)?;
        let JwtConfig { issuer, jwks_uri, allow_http, .. } = config.clone();
        Ok(Self { client, issuer, jwks_uri, allow_http })
    }

    async fn discover(&self) -> Result<Url, FetchError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let document = self.get(&url).await?;
        let document: Discovery = serde_json::from_slice(&document)
            .map_err(|source| FetchError::Discovery { url: url.clone(), source })?;
        // Discovery §4.3: they must be the same.
        if document.issuer != self.issuer {
            return Err(FetchError::OtherIssuer { url });
        }
        match Url::parse(&document.jwks_uri) {
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

    async fn get(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let unreachable = |source: reqwest::Error| FetchError::Unreachable {
            url: printable::url(url).into_owned(),
            source: source.without_url(),
        };
        let mut response = self.client.get(url).send().await.map_err(unreachable)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status {
                url: printable::url(url).into_owned(),
                status: response.status().as_u16(),
            });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(FetchError::TooLong { url: printable::url(url).into_owned() });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[async_trait]
impl FetchKeys for HttpJwks {
    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let url = match &self.jwks_uri {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let text = self.get(url.as_str()).await?;
        KeySet::parse(&text)
            .map_err(|source| FetchError::Jwks { url: printable::url(url.as_str()).into_owned(), source })
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
