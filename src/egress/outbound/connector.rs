//! Connections: resolved under the operator's rules, counted, timed, and with TLS where the URI asks for it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::allowance::{Allowance, Counted};
use super::places::Places;
use super::resolver::Resolver;
use super::timing::{connected, connecting};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Tcp = TokioIo<Counted<TcpStream>>;

/// How often a kept connection on which nothing happens is tried, and how often in vain.
const KEEPALIVE: (Duration, u32) = (Duration::from_secs(15), 3);

/// What the kernel may hold of what came and was not read, for each connection, in bytes. It doubles it.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// No connection came about in time.
#[derive(Debug, thiserror::Error)]
#[error("connecting took too long")]
pub(super) struct ConnectTimedOut;

/// Makes connections.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    https: HttpsConnector<CountedTcp>,
    timeout: Duration,
}

impl Connector {
    /// `timeout` is for everything: name, TCP, TLS. `per_request` is what a connection may bring, in bytes, see
    /// [`Allowance`]. `places` are for those that are kept; `None`: none is.
    pub(super) fn new(
        resolver: Resolver,
        tls: ClientConfig,
        timeout: Duration,
        per_request: usize,
        places: Option<Places>,
    ) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // It is shared out among a name's addresses, where the first may be a black hole.
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_recv_buffer_size(Some(RECEIVE_BUFFER));
        tcp.set_keepalive(Some(KEEPALIVE.0));
        tcp.set_keepalive_interval(Some(KEEPALIVE.0));
        tcp.set_keepalive_retries(Some(KEEPALIVE.1));
        // What was sent and is not acknowledged keeps the kernel from trying a connection, for a quarter of an hour.
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(KEEPALIVE.0 * 2));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(CountedTcp { tcp, per_request, places });
        Self { https, timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Tcp>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connection, limit) = (self.https.call(uri), self.timeout);
        Box::pin(async move {
            let began = connecting();
            let connection = timeout(limit, connection).await;
            connected(began);
            connection.unwrap_or_else(|_| Err(ConnectTimedOut.into()))
        })
    }
}

/// Makes TCP connections whose reads are counted.
#[derive(Clone, Debug)]
struct CountedTcp {
    tcp: HttpConnector<Resolver>,
    per_request: usize,
    places: Option<Places>,
}

impl Service<Uri> for CountedTcp {
    type Response = Tcp;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Tcp, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let place = self.places.as_ref().map(Places::take).transpose();
        let (connection, allowance) = (self.tcp.call(uri), Allowance::new(self.per_request));
        Box::pin(async move {
            let place = place?;
            Ok(TokioIo::new(Counted::new(connection.await?.into_inner(), allowance, place)))
        })
    }
}
