//! The HTTP client of the commands.

use std::time::Duration;

use anyhow::Context;

/// A client that does what the person at the shell may: any address, proxies of the environment.
pub(super) fn client(timeout: Duration) -> anyhow::Result<reqwest::Client> {
    // reqwest takes the process's provider; whoever set one before has set ring's too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("logoutd/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout)
        .build()
        .context("cannot set up TLS")
}

pub(super) fn keys_of(url: &str) -> anyhow::Result<KeysAt> {
    Ok(KeysAt { url: url.to_owned(), client: client(Duration::from_secs(5))? })
}

pub(super) struct KeysAt {
    url: String,
    client: reqwest::Client,
}

#[async_trait::async_trait]
impl crate::relying_party::keys::FetchJwks for KeysAt {
    async fn fetch(
        &self,
    ) -> Result<crate::relying_party::jwks::Jwks, crate::relying_party::keys::JwksUnavailable> {
        use crate::relying_party::keys::JwksUnavailable;
        let u = |e: reqwest::Error| JwksUnavailable(e.to_string());
        let text = self.client.get(&self.url).send().await.map_err(u)?.text().await.map_err(u)?;
        crate::relying_party::jwks::Jwks::parse(&text).map_err(|e| JwksUnavailable(e.to_string()))
    }
}
