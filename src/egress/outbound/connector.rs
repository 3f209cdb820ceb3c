//! The connector: connections to checked addresses, with a byte budget, timing, and TLS where the URI asks for it.

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

use super::byte_budget::{ByteBudget, Counted};
use super::pool_limit::PoolLimit;
use super::resolver::Resolver;
use super::timing::{record_connected, record_connecting};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Tcp = TokioIo<Counted<TcpStream>>;

/// TCP keep-alive: the interval, and after how many unanswered probes a connection is closed.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 3;

/// The kernel's receive buffer of a connection, in bytes. Linux doubles it.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// No connection was made in time.
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
    /// `timeout` is the limit for resolving, TCP and TLS together, `budget` the bytes that may be received for each
    /// request (see [`ByteBudget`]). `pool_limit` is for pooled connections; `None`: the connections are not pooled.
    pub(super) fn new(
        resolver: Resolver,
        tls: ClientConfig,
        timeout: Duration,
        budget: usize,
        pool_limit: Option<PoolLimit>,
    ) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // It is divided among a name's addresses, of which the first may drop packets.
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_recv_buffer_size(Some(RECEIVE_BUFFER));
        tcp.set_keepalive(Some(KEEPALIVE_INTERVAL));
        tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        // While sent data is not acknowledged the kernel sends no keep-alive probes, and gives up after 15 minutes only.
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(KEEPALIVE_INTERVAL * 2));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(CountedTcp { tcp, budget, pool_limit });
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
            let began = record_connecting();
            let connection = timeout(limit, connection).await;
            record_connected(began);
            connection.unwrap_or_else(|_| Err(ConnectTimedOut.into()))
        })
    }
}

/// Makes TCP connections whose reads are counted.
#[derive(Clone, Debug)]
struct CountedTcp {
    tcp: HttpConnector<Resolver>,
    budget: usize,
    pool_limit: Option<PoolLimit>,
}

impl Service<Uri> for CountedTcp {
    type Response = Tcp;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Tcp, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let permit = self.pool_limit.as_ref().map(PoolLimit::acquire).transpose();
        let (connection, budget) = (self.tcp.call(uri), ByteBudget::new(self.budget));
        Box::pin(async move {
            let permit = permit?;
            Ok(TokioIo::new(Counted::new(connection.await?.into_inner(), budget, permit)))
        })
    }
}
