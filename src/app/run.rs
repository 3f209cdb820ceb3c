//! A service that runs: its parts side by side, until draining is asked for or one of them crashes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::{App, Listeners};
use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::http::Peer;
use crate::listen::{self, Limits, RequestBody, Service, Shares, Tls, TlsListener};
use crate::shutdown::Shutdown;
use crate::storage::Maintenance;
use crate::telemetry::Metrics;

/// How often finished rows are looked for.
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// How many rows of a table are deleted in one transaction: few enough that no event waits for long.
const SWEEP_BATCH: u32 = 500;

impl App {
    /// Runs until draining is asked for and everything under way is finished, or until stopping is.
    ///
    /// A part that ends before that has crashed: the service drains and this returns an error.
    pub async fn run(self, listeners: Listeners, shutdown: Shutdown) -> anyhow::Result<()> {
        let mut parts = JoinSet::new();
        let server = crate::http::server(&self.http);
        let management = crate::http::management(&self.http);
        let trail = self.http.trail.clone();
        // The servers and the expiry now hold the only handles to the intake: when they end, so does its writer.
        drop(self.http);

        for tls in self.tls.iter().cloned() {
            part(&mut parts, "watch of a certificate", infallible(tls.watch(shutdown.drain_token())));
        }
        let serve = |name, socket, tls, connections, router| {
            let (metrics, shutdown) = (Arc::clone(&self.ambient.metrics), shutdown.clone());
            serve(Listening { name, socket, tls, connections, metrics }, router, shutdown)
        };
        let Shares { server: server_share, management: management_share, .. } = self.connections;
        part(&mut parts, "server", serve("server", listeners.server, self.tls.server, server_share, server));
        let management =
            serve("management", listeners.management, self.tls.management, management_share, management);
        part(&mut parts, "management", management);
        part(&mut parts, "intake", infallible(self.writer.run()));
        part(&mut parts, "expiry", infallible(self.expiry.run(shutdown.clone())));
        part(&mut parts, "settler", infallible(self.settler.run()));
        part(&mut parts, "dispatcher", infallible(self.dispatcher.run(shutdown.clone())));
        part(&mut parts, "redelivery", infallible(self.redelivery.run(shutdown.clone())));
        part(&mut parts, "access", infallible(self.access.run(shutdown.clone())));
        part(&mut parts, "audit", infallible(trail.clone().run(shutdown.clone())));
        part(&mut parts, "keyring", infallible(self.keyring.watch(shutdown.drain_token())));
        let sweeper = sweep(Arc::clone(&self.store) as _, self.ambient, self.retention, shutdown.clone());
        part(&mut parts, "sweeper", infallible(sweeper));

        let mut crashed = None;
        loop {
            let ended = tokio::select! {
                ended = parts.join_next() => ended,
                () = shutdown.stopped() => break,
            };
            match ended {
                None => break,
                Some(Ok((_, Ok(())))) if shutdown.is_draining() => {}
                Some(Ok((name, result))) => {
                    let error = result.err().unwrap_or_else(|| anyhow::anyhow!("it ended by itself"));
                    crashed.get_or_insert(error.context(format!("the {name} stopped")));
                    shutdown.drain();
                }
                Some(Err(error)) => {
                    crashed
                        .get_or_insert(anyhow::Error::new(error).context("a part of the service panicked"));
                    shutdown.drain();
                }
            }
        }
        parts.shutdown().await;
        trail.finish().await;
        self.store.close().await;
        crashed.map_or(Ok(()), Err)
    }
}

type Ended = (&'static str, anyhow::Result<()>);

fn part(
    parts: &mut JoinSet<Ended>,
    name: &'static str,
    future: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) {
    parts.spawn(async move { (name, future.await) });
}

async fn infallible(future: impl Future<Output = ()>) -> anyhow::Result<()> {
    future.await;
    Ok(())
}

/// What is listened on, and how.
struct Listening {
    name: &'static str,
    socket: TcpListener,
    tls: Option<Tls>,
    connections: usize,
    metrics: Arc<Metrics>,
}

async fn serve(listening: Listening, router: Router, shutdown: Shutdown) -> anyhow::Result<()> {
    let Listening { name, socket, tls, connections, metrics } = listening;
    let draining = async move { shutdown.draining().await };
    let handle = move |peer, request: axum::http::Request<RequestBody>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        let router = router.clone();
        async move { router.oneshot(request).await.unwrap_or_else(|never| match never {}) }
    };
    let limits = Limits::with_connections(connections);
    let service = Service { listener: name, limits, metrics, handle };
    match tls {
        Some(tls) => listen::serve(TlsListener::new(socket, tls, connections), service, draining).await,
        None => listen::serve(socket, service, draining).await,
    }
    Ok(())
}

/// Deletes what is older than the retention, now and then, in small batches.
async fn sweep(store: Arc<dyn Maintenance>, ambient: Ambient, retention: Duration, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.draining() => return,
        }
        let before = ambient.now().saturating_sub(retention).expect("a std Duration has no calendar units");
        loop {
            match store.sweep(before, SWEEP_BATCH).await {
                Ok(0) => break,
                Ok(rows) => tracing::debug!(rows, "deleted what was older than store.retention"),
                Err(error) => {
                    tracing::error!(
                        error = %Causes(&error),
                        "old rows could not be deleted"
                    );
                    break;
                }
            }
            if shutdown.is_draining() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}
