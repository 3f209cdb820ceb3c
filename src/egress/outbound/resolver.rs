//! The resolver: the only source of addresses for names. With the operator's rules it checks every one.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use std::{fmt, io, vec};

use async_trait::async_trait;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tower_service::Service;

use super::super::policy::{ForbiddenAddress, Policy};
use super::timing::note_dns;

/// Looks names up: the seam for tests.
#[async_trait]
pub(in crate::egress) trait Lookup: Send + Sync + 'static {
    /// The addresses of a host.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// How many names are looked up at a time. Each takes a thread until the system gives up, whoever waits no longer;
/// tokio has 512 of them, which also sign.
const MAX_LOOKUPS: usize = 128;

/// Asks the system.
pub(in crate::egress) struct SystemLookup(Arc<Semaphore>);

impl SystemLookup {
    pub(in crate::egress) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOKUPS)))
    }
}

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let turn = Arc::clone(&self.0).acquire_owned().await.map_err(io::Error::other)?;
        let host = host.to_owned();
        let look_up = move || {
            let found = (host.as_str(), 0).to_socket_addrs().map(|found| found.map(|it| it.ip()).collect());
            drop(turn);
            found
        };
        spawn_blocking(look_up).await.map_err(io::Error::other)?
    }
}

/// Resolves names for the connector.
#[derive(Clone)]
pub(super) struct Resolver {
    lookup: Arc<dyn Lookup>,
    /// `None`: any address will do.
    policy: Option<Arc<Policy>>,
}

/// Why a name gave no addresses. Found again in the client's error by its type.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    #[error("the name could not be resolved")]
    Lookup(#[source] io::Error),
    #[error("the name has no addresses")]
    NoAddress,
    #[error(transparent)]
    Forbidden(#[from] ForbiddenAddress),
}

impl Resolver {
    pub(super) fn new(lookup: Arc<dyn Lookup>, policy: Option<Arc<Policy>>) -> Self {
        Self { lookup, policy }
    }

    async fn resolve(&self, host: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        let began = Instant::now();
        let found = self.lookup.addresses(host).await;
        let addresses = found.as_deref().unwrap_or_default();
        let forbidden = self.policy.as_ref().and_then(|policy| first_forbidden(policy, addresses));
        // Of a name that is refused, the address that it is refused for.
        let shown = forbidden.map(|it| it.address).or_else(|| addresses.first().copied());
        note_dns(began.elapsed(), shown);
        let addresses = found.map_err(ResolveError::Lookup)?;
        if let Some(forbidden) = forbidden {
            return Err(forbidden.into());
        }
        if addresses.is_empty() {
            return Err(ResolveError::NoAddress);
        }
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect())
    }
}

/// One forbidden address spoils the name: whoever controls it could have us try them all.
fn first_forbidden(policy: &Policy, addresses: &[IpAddr]) -> Option<ForbiddenAddress> {
    addresses.iter().find_map(|address| policy.check_address(*address).err())
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move { Ok(resolver.resolve(name.as_str()).await?.into_iter()) })
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}
