//! The guarded resolver: the only source of addresses for names.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::policy::{ForbiddenAddress, Policy};
use super::timing::note_dns;

/// Resolves names through the system, and checks every address.
pub(super) struct GuardedResolver {
    policy: Arc<Policy>,
}

/// Why a name gave no addresses. Found again in the client's error by its type.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    #[error("the name could not be resolved")]
    Lookup(#[source] std::io::Error),
    #[error("the name has no addresses")]
    NoAddress,
    #[error(transparent)]
    Forbidden(#[from] ForbiddenAddress),
}

impl GuardedResolver {
    pub(super) fn new(policy: Arc<Policy>) -> Self {
        Self { policy }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        Box::pin(async move {
            let began = Instant::now();
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map(Vec::from_iter);
            let first = found.as_ref().ok().and_then(|found| found.first());
            note_dns(began.elapsed(), first.map(SocketAddr::ip));
            let addresses = found.map_err(ResolveError::Lookup)?;
            if addresses.is_empty() {
                return Err(ResolveError::NoAddress.into());
            }
            // One forbidden address spoils the name: whoever controls it could have us try them all.
            for address in &addresses {
                policy.check_address(address.ip()).map_err(ResolveError::Forbidden)?;
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
