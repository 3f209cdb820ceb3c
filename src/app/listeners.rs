//! The sockets of the service, and serving HTTP on them.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::config::Config;
use crate::http::Peer;
use crate::listen::{self, Limits, RequestBody, Service, Shares, Tls, TlsListener};
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;

/// The bound sockets that the service listens on.
pub struct Listeners {
    /// For sources and relying parties.
    pub server: TcpListener,
    /// For operators.
    pub management: TcpListener,
}

impl Listeners {
    /// Binds the addresses of the configuration.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = async |key: &str, address| {
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {key} = {address}"))
        };
        Ok(Self {
            server: bind("server.listen", config.server.listen).await?,
            management: bind("management.listen", config.management.listen).await?,
        })
    }
}

/// Divides the process's file descriptors among the listeners and outgoing connections, after raising the limit.
pub(super) fn connection_shares(config: &Config) -> anyhow::Result<Shares> {
    let limit = listen::raise_limit();
    let (server, management) = (config.server.max_connections, config.management.max_connections);
    let max_concurrency = config.delivery.max_concurrency;
    let shares = listen::share_out(limit, max_concurrency, server, management)?;
    let Shares { server, management, outgoing_pooled } = shares;
    tracing::debug!(limit, server, management, outgoing_pooled, "most open connections");
    if outgoing_pooled == 0 {
        tracing::warn!(
            limit,
            max_concurrency,
            "this process may open too few files for delivery.max_concurrency, and keeps no connection to a relying \
             party open; raise the limit (LimitNOFILE= of systemd, `ulimit -n`) or lower the setting"
        );
    }
    Ok(shares)
}

/// A socket and how it is served.
pub(super) struct Listening {
    /// In the log and the metrics: `server` or `management`.
    pub(super) name: &'static str,
    pub(super) socket: TcpListener,
    /// `None`: plain HTTP.
    pub(super) tls: Option<Tls>,
    /// The most connections at a time.
    pub(super) connections: usize,
    pub(super) metrics: Arc<Metrics>,
}

impl Listening {
    /// Serves `router` until draining is requested and the requests under way are answered.
    pub(super) async fn serve(self, router: Router, shutdown: Shutdown) {
        let Self { name, socket, tls, connections, metrics } = self;
        let handle = move |peer, request: Request<RequestBody>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            let router = router.clone();
            async move { router.oneshot(request).await.unwrap_or_else(|never| match never {}) }
        };
        let limits = Limits::with_connections(connections);
        let service = Service { listener: name, limits, metrics, handle };
        let draining = async move { shutdown.draining().await };
        match tls {
            Some(tls) => listen::serve(TlsListener::new(socket, tls, connections), service, draining).await,
            None => listen::serve(socket, service, draining).await,
        }
    }
}
