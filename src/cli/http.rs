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
