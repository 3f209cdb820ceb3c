//! Reads the OP's public keys for `verify` and `mock-rp`: from a file, a URL, or the OP's discovery document.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use async_trait::async_trait;
use reqwest::Client;
use serde::Deserialize;

use super::http::TlsArgs;
use crate::files;
use crate::printable;
use crate::relying_party::jwks::Jwks;
use crate::relying_party::keys::{FetchJwks, JwksUnavailable};

/// The largest document, in bytes; the same limit as the service has.
const MAX_BYTES: u64 = 256 * 1024;

/// The time limit for fetching a document.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The value of `--jwks`: an `http(s)` URL, otherwise the path of a file.
#[derive(Clone, Debug)]
pub(super) enum JwksLocation {
    Url(String),
    File(PathBuf),
    /// The `jwks_uri` of this issuer's discovery document (OpenID Connect Discovery 1.0 §4).
    Discovery(String),
}

impl FromStr for JwksLocation {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("http://") || lower.starts_with("https://") {
            return Ok(Self::Url(text.to_owned()));
        }
        Ok(Self::File(text.into()))
    }
}

impl fmt::Display for JwksLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(&printable::url(url)),
            Self::File(path) => path.display().fmt(f),
            Self::Discovery(issuer) => f.write_str(&printable::url(&discovery_url(issuer))),
        }
    }
}

/// Reads the keys again at each request.
pub(super) struct JwksSource {
    location: JwksLocation,
    client: Client,
}

impl JwksSource {
    pub(super) fn new(location: JwksLocation, tls: &TlsArgs) -> anyhow::Result<Self> {
        Ok(Self { location, client: tls.client(TIMEOUT)? })
    }

    /// The current keys.
    pub(super) async fn read(&self) -> anyhow::Result<Jwks> {
        let (text, from) = match &self.location {
            JwksLocation::File(path) => {
                let text = files::read_text_once(path, MAX_BYTES)
                    .with_context(|| format!("the JWKS {} cannot be read", path.display()))?;
                (text.to_string(), path.display().to_string())
            }
            JwksLocation::Url(url) => (self.get(url).await?, printable::url(url).into_owned()),
            JwksLocation::Discovery(issuer) => {
                let url = self.discover(issuer).await?;
                (self.get(&url).await?, printable::url(&url).into_owned())
            }
        };
        Jwks::parse(&text).with_context(|| format!("{from} is not a JWKS"))
    }

    async fn discover(&self, issuer: &str) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Document {
            jwks_uri: String,
        }
        let url = discovery_url(issuer);
        let text = self.get(&url).await?;
        let document: Document = serde_json::from_str(&text)
            .map_err(|error| anyhow!("{} is not a discovery document: {error}", printable::url(&url)))?;
        Ok(document.jwks_uri)
    }

    async fn get(&self, url: &str) -> anyhow::Result<String> {
        let shown = printable::url(url);
        let unreachable = || format!("cannot reach {shown}");
        let mut response = self
            .client
            .get(url)
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(unreachable)?;
        if !response.status().is_success() {
            return Err(anyhow!("{shown} answers {}", response.status()));
        }
        let mut body = Vec::new();
        let interrupted = || format!("the answer of {shown} was interrupted");
        while let Some(chunk) =
            response.chunk().await.map_err(reqwest::Error::without_url).with_context(interrupted)?
        {
            body.extend_from_slice(&chunk);
            ensure!(body.len() as u64 <= MAX_BYTES, "{shown} is longer than {MAX_BYTES} bytes");
        }
        String::from_utf8(body).map_err(|_| anyhow!("{shown} is not UTF-8"))
    }
}

#[async_trait]
impl FetchJwks for JwksSource {
    async fn fetch(&self) -> Result<Jwks, JwksUnavailable> {
        self.read().await.map_err(|error| JwksUnavailable(format!("{error:#}")))
    }
}

fn discovery_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}
