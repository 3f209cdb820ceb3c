//! `logoutd serve`: the service, until SIGTERM or SIGINT.

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::ambient::Ambient;
use crate::app::{App, Listeners};
use crate::causes::Causes;
use crate::config::Loaded;
use crate::keyring::Keyring;
use crate::listen::Tls;
use crate::shutdown::Shutdown;

/// Runs the service. The first signal drains it; a second one stops it at once.
pub(super) async fn run(loaded: &Loaded) -> anyhow::Result<ExitCode> {
    let config = &loaded.config;
    let shutdown = Shutdown::new();
    let app = App::build(loaded, &shutdown, Ambient::system()).await?;
    let listeners = Listeners::bind(config).await?;
    heed_signals(shutdown.clone(), app.keyring(), app.tls())?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        issuer = config.issuer.url.as_str(),
        server = %listeners.server.local_addr()?,
        management = %listeners.management.local_addr()?,
        server_tls = config.server.tls.is_some(),
        management_tls = config.management.tls.is_some(),
        clients = config.clients.len(),
        "logoutd is ready"
    );
    if loaded.bootstrap_token.is_none() {
        tracing::info!("no LOGOUTD_BOOTSTRAP_TOKEN is set: sources need a token of `logoutd tokens create`");
    }
    app.run(listeners).await?;
    tracing::info!("logoutd has stopped");
    Ok(ExitCode::SUCCESS)
}

fn heed_signals(shutdown: Shutdown, keyring: Keyring, tls: Vec<Tls>) -> anyhow::Result<()> {
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => stop(&shutdown),
                _ = interrupt.recv() => stop(&shutdown),
                _ = hangup.recv() => {
                    reload(keyring.clone()).await;
                    for tls in &tls {
                        reload_tls(tls.clone()).await;
                    }
                }
            }
        }
    });
    Ok(())
}

fn stop(shutdown: &Shutdown) {
    if shutdown.is_draining() {
        tracing::warn!("second signal, stopping at once");
        shutdown.stop();
    } else {
        tracing::info!("finishing what is under way; a second signal stops at once");
        shutdown.drain();
    }
}

async fn reload(keyring: Keyring) {
    // Reading files blocks.
    match tokio::task::spawn_blocking(move || keyring.reload()).await {
        Ok(Ok(())) => tracing::info!("signing keys reloaded"),
        Ok(Err(error)) => tracing::error!(
            error = %Causes(&error),
            "signing keys could not be reloaded, the old ones stay in use"
        ),
        Err(error) => tracing::error!(%error, "reloading the signing keys panicked"),
    }
}

async fn reload_tls(tls: Tls) {
    let listener = tls.listener();
    // Reading files blocks.
    match tokio::task::spawn_blocking(move || tls.reload()).await {
        Ok(Ok(())) => tracing::info!(listener, "a listener's certificate reloaded"),
        Ok(Err(error)) => tracing::error!(
            listener,
            key = error.file.key(),
            %error,
            "a listener's certificate could not be reloaded, the old one stays in use"
        ),
        Err(error) => tracing::error!(listener, %error, "reloading a listener's certificate panicked"),
    }
}
