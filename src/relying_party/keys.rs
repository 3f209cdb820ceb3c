//! A cache of the OP's keys: fetched once, and again when a token has an unknown `kid`.
//!
//! The caller provides the fetch ([`FetchJwks`]); this module decides when to use it.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::jwks::Jwks;

/// The shortest time between two fetches, so that invented `kid`s cannot cause a flood of requests to the OP.
const BETWEEN_FETCHES: Duration = Duration::from_secs(1);

/// Fetches the OP's JWKS.
#[async_trait]
pub trait FetchJwks: Send + Sync + 'static {
    /// Fetches the current JWKS.
    async fn fetch(&self) -> Result<Jwks, JwksUnavailable>;
}

/// Why the JWKS is not available, as text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JwksUnavailable(pub String);

/// A JWKS that never changes.
#[async_trait]
impl FetchJwks for Jwks {
    async fn fetch(&self) -> Result<Jwks, JwksUnavailable> {
        Ok(self.clone())
    }
}

/// The keys fetched last.
pub(super) struct KeyCache {
    source: Box<dyn FetchJwks>,
    pause: Duration,
    keys: RwLock<Arc<Jwks>>,
    /// Held while fetching, so that tokens that need the same fetch share it.
    last: Mutex<Option<Fetched>>,
}

/// The last fetch: when it began, and its error.
struct Fetched {
    at: Instant,
    failure: Option<JwksUnavailable>,
}

impl KeyCache {
    pub(super) fn new(source: Box<dyn FetchJwks>) -> Self {
        Self { source, pause: BETWEEN_FETCHES, keys: RwLock::default(), last: Mutex::new(None) }
    }

    /// The keys, with this `kid` if the OP publishes it. Waits for a fetch instead of returning outdated keys, because the
    /// rejection of a token is final.
    pub(super) async fn for_kid(&self, kid: &str) -> Result<Arc<Jwks>, JwksUnavailable> {
        let needed = Instant::now();
        let keys = self.cached();
        if keys.contains(kid) {
            return Ok(keys);
        }
        let mut last = self.last.lock().await;
        if let Some(fetched) = &*last {
            let keys = self.cached();
            if keys.contains(kid) {
                return Ok(keys);
            }
            if fetched.at >= needed {
                return fetched.failure.clone().map_or(Ok(keys), Err);
            }
            sleep_until(fetched.at + self.pause).await;
        }
        let at = Instant::now();
        let result = self.source.fetch().await;
        *last = Some(Fetched { at, failure: result.as_ref().err().cloned() });
        let keys = Arc::new(result?);
        *self.keys.write().expect("no holder of this lock panics") = Arc::clone(&keys);
        Ok(keys)
    }

    fn cached(&self) -> Arc<Jwks> {
        Arc::clone(&self.keys.read().expect("no holder of this lock panics"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::relying_party::test_support::{TestKey, jwks};

    /// Publishes one more key with every fetch (`k1`, `k2`, …), after failing `failures` times.
    struct Growing {
        fetches: Arc<AtomicUsize>,
        failures: usize,
    }

    #[async_trait]
    impl FetchJwks for Growing {
        async fn fetch(&self) -> Result<Jwks, JwksUnavailable> {
            let fetch = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::task::yield_now().await;
            if fetch <= self.failures {
                return Err(JwksUnavailable("down".to_owned()));
            }
            let keys: Vec<_> = (1..=fetch).map(|n| TestKey::es256(&format!("k{n}")).jwk()).collect();
            Ok(jwks(&keys))
        }
    }

    fn cache(failures: usize) -> (KeyCache, Arc<AtomicUsize>) {
        let fetches = Arc::new(AtomicUsize::new(0));
        let source = Growing { fetches: Arc::clone(&fetches), failures };
        (KeyCache { pause: Duration::from_millis(1), ..KeyCache::new(Box::new(source)) }, fetches)
    }

    #[tokio::test]
    async fn keys_are_fetched_once_and_again_for_a_new_kid() {
        let (cache, fetches) = cache(0);
        for (kid, expected) in [("k1", 1), ("k1", 1), ("k2", 2), ("k1", 2), ("unknown", 3), ("k3", 3)] {
            let keys = cache.for_kid(kid).await.unwrap();
            assert_eq!(keys.contains(kid), kid != "unknown");
            assert_eq!(fetches.load(Ordering::SeqCst), expected, "{kid}");
        }
    }

    #[tokio::test]
    async fn tokens_that_come_during_a_fetch_share_the_next_one() {
        let (cache, fetches) = cache(0);
        // The first one's fetch had begun when the others came, so its answer may be too old for them.
        let (a, b, c, known) = tokio::join!(
            cache.for_kid("unknown"),
            cache.for_kid("unknown"),
            cache.for_kid("unknown"),
            cache.for_kid("k1")
        );
        assert!(a.is_ok() && b.is_ok() && c.is_ok() && known.unwrap().contains("k1"));
        assert_eq!(fetches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_failed_fetch_is_told_and_tried_again() {
        let (cache, fetches) = cache(2);
        let (a, b, c) = tokio::join!(cache.for_kid("k3"), cache.for_kid("k3"), cache.for_kid("k3"));
        for failed in [a, b, c] {
            assert_eq!(failed.err(), Some(JwksUnavailable("down".to_owned())));
        }
        assert_eq!(fetches.load(Ordering::SeqCst), 2);
        assert!(cache.for_kid("k3").await.unwrap().contains("k3"));
    }
}
