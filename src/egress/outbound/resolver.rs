//! The resolver: the only source of addresses for host names. With a policy it checks every address.

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

use super::timing::record_dns;
use crate::egress::policy::{ForbiddenAddress, Policy};

/// Looks up host names; tests have their own.
#[async_trait]
pub(in crate::egress) trait Lookup: Send + Sync + 'static {
    /// The addresses of a host.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// How many names are looked up at a time. Each lookup blocks a thread until the system's resolver returns, even when
/// its request has timed out. Tokio has 512 such threads, which also compute RSA signatures.
const MAX_LOOKUPS: usize = 128;

/// The system's resolver.
pub(in crate::egress) struct SystemLookup(Arc<Semaphore>);

impl SystemLookup {
    pub(in crate::egress) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOKUPS)))
    }
}

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let permit = Arc::clone(&self.0).acquire_owned().await.map_err(io::Error::other)?;
        let host = host.to_owned();
        let look_up = move || {
            let found = (host.as_str(), 0).to_socket_addrs().map(|found| found.map(|it| it.ip()).collect());
            drop(permit);
            found
        };
        spawn_blocking(look_up).await.map_err(io::Error::other)?
    }
}

/// Resolves names for the connector.
#[derive(Clone)]
pub(super) struct Resolver {
    lookup: Arc<dyn Lookup>,
    /// `None`: every address is allowed.
    policy: Option<Arc<Policy>>,
}

/// Why a name has no usable addresses. `error` finds it among the causes of the client's error, by its type.
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
        // Of a name that is refused, the forbidden address.
        let shown = forbidden.map(|it| it.address).or_else(|| addresses.first().copied());
        record_dns(began.elapsed(), shown);
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

/// One forbidden address makes the name unusable: its owner could otherwise have all its addresses tried.
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
