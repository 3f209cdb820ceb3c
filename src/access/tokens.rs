//! Lookup of API tokens: a cache in front of the store.
//!
//! Another process may create or revoke a token at any time, so a cached result is refreshed after one second. One
//! request does so; meanwhile others use the old result, for at most one more second.
//!
//! Tokens that are not in the cache are looked up one at a time: however many tokens are guessed, the store has one
//! such lookup to do, and refreshes of known tokens do not wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::domain::access::{ApiToken, TokenHash};
use crate::storage::{Result, TokenStore};

/// How long a result is used without a refresh.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// How long a result may be used while a refresh is in progress.
const USABLE_FOR: Duration = Duration::from_secs(2);

/// The maximum number of cached tokens, and of cached negative results. The two are separate, so that guesses cannot
/// evict tokens in use.
const CAPACITY: usize = 1024;

/// Looks up API tokens through a cache.
pub(super) struct TokenCache {
    store: Arc<dyn TokenStore>,
    entries: Mutex<Entries>,
    /// One permit (fair) for lookups of tokens that are not in the cache.
    unknown_lookup: Semaphore,
}

/// Cached results by token hash.
#[derive(Default)]
struct Entries {
    found: HashMap<[u8; 32], CachedToken>,
    /// Negative results, with the time of the lookup.
    not_found: HashMap<[u8; 32], Instant>,
}

struct CachedToken {
    token: Arc<ApiToken>,
    looked_up_at: Instant,
    /// Whether a request is refreshing it.
    refreshing: bool,
}

enum CacheResult {
    Found(Arc<ApiToken>),
    NotFound,
    Miss,
}

impl TokenCache {
    pub(super) fn new(store: Arc<dyn TokenStore>) -> Self {
        Self { store, entries: Mutex::default(), unknown_lookup: Semaphore::new(1) }
    }

    /// The token with this hash, if it exists; it may be expired or revoked.
    pub(super) async fn find(&self, hash: &TokenHash) -> Result<Option<Arc<ApiToken>>> {
        if let Some(cached) = self.cached(hash) {
            return Ok(cached);
        }
        let is_unknown = !self.entries().found.contains_key(&hash.0);
        let _permit = if is_unknown {
            let permit = self.unknown_lookup.acquire().await.expect("it is never closed");
            // Another request may have looked up the same token while this one waited.
            if let Some(cached) = self.cached(hash) {
                return Ok(cached);
            }
            Some(permit)
        } else {
            None
        };
        let looked_up_at = Instant::now();
        let found = self.store.token(hash).await;
        let mut entries = self.entries();
        // If the store fails, the old result is dropped too: a revoked token must not stay valid that way.
        entries.remove(hash);
        // Index lookups do not take constant time, so the hash is compared once more in constant time.
        let token = found?.filter(|found| found.hash.matches(hash)).map(|found| Arc::new(found.token));
        entries.insert(hash, token.clone(), looked_up_at);
        Ok(token)
    }

    /// The cached result; the outer `None` means that the store has to be asked.
    #[expect(clippy::option_option, reason = "negative results are cached too")]
    fn cached(&self, hash: &TokenHash) -> Option<Option<Arc<ApiToken>>> {
        match self.entries().get(hash, Instant::now()) {
            CacheResult::Found(token) => Some(Some(token)),
            CacheResult::NotFound => Some(None),
            CacheResult::Miss => None,
        }
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().expect("no holder of this lock panics")
    }
}

impl Entries {
    /// The cached result. On a miss of a stale token the caller has to refresh it.
    fn get(&mut self, hash: &TokenHash, now: Instant) -> CacheResult {
        if let Some(cached) = self.found.get_mut(&hash.0) {
            let age = now.saturating_duration_since(cached.looked_up_at);
            if age < FRESH_FOR || (age < USABLE_FOR && cached.refreshing) {
                return CacheResult::Found(Arc::clone(&cached.token));
            }
            cached.refreshing = true;
            return CacheResult::Miss;
        }
        match self.not_found.get(&hash.0) {
            Some(at) if now.saturating_duration_since(*at) < FRESH_FOR => CacheResult::NotFound,
            _ => CacheResult::Miss,
        }
    }

    fn remove(&mut self, hash: &TokenHash) {
        self.found.remove(&hash.0);
        self.not_found.remove(&hash.0);
    }

    fn insert(&mut self, hash: &TokenHash, token: Option<Arc<ApiToken>>, looked_up_at: Instant) {
        if let Some(token) = token {
            evict(&mut self.found, |cached| looked_up_at.saturating_duration_since(cached.looked_up_at));
            self.found.insert(hash.0, CachedToken { token, looked_up_at, refreshing: false });
        } else {
            evict(&mut self.not_found, |at| looked_up_at.saturating_duration_since(*at));
            self.not_found.insert(hash.0, looked_up_at);
        }
    }
}

/// Makes space in a full map: removes outdated entries, or all if none is outdated. Entries live for two seconds only,
/// so that clearing the map costs little.
fn evict<T>(map: &mut HashMap<[u8; 32], T>, age: impl Fn(&T) -> Duration) {
    if map.len() >= CAPACITY {
        map.retain(|_, value| age(value) < USABLE_FOR);
    }
    if map.len() >= CAPACITY {
        map.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use async_trait::async_trait;
    use jiff::Timestamp;
    use tokio::time::{advance, sleep};
    use uuid::Uuid;

    use super::*;
    use crate::domain::access::{Scope, SourceLimit, TokenId, TokenState};
    use crate::storage::{FoundToken, StorageError};

    const HASH: TokenHash = TokenHash([1; 32]);
    const LOOKUP: Duration = Duration::from_millis(100);

    fn other(number: usize) -> TokenHash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        TokenHash(hash)
    }

    /// A store with one token, whose hash is [`HASH`].
    #[derive(Default)]
    struct Store {
        lookups: AtomicUsize,
        revoked: AtomicBool,
        broken: AtomicBool,
    }

    #[async_trait]
    impl TokenStore for Store {
        async fn token(&self, hash: &TokenHash) -> Result<Option<FoundToken>> {
            self.lookups.fetch_add(1, Ordering::Relaxed);
            sleep(LOOKUP).await;
            if self.broken.load(Ordering::Relaxed) {
                return Err(StorageError::Corrupt { row: None, column: "name", problem: "is not today's" });
            }
            let token = ApiToken {
                id: TokenId(Uuid::nil()),
                name: "a test's".parse().unwrap(),
                scopes: [Scope::ReadLogs].into_iter().collect(),
                sources: SourceLimit::Any,
                created_at: Timestamp::UNIX_EPOCH,
                expires_at: None,
                last_used_at: None,
                revoked_at: self.revoked.load(Ordering::Relaxed).then_some(Timestamp::UNIX_EPOCH),
            };
            Ok(hash.matches(&HASH).then_some(FoundToken { token, hash: HASH }))
        }

        async fn create_token(&self, _: &ApiToken, _: &TokenHash) -> Result<()> {
            unreachable!("not used")
        }

        async fn tokens(&self) -> Result<Vec<ApiToken>> {
            unreachable!("not used")
        }

        async fn revoke_token(&self, _: TokenId, _: Timestamp) -> Result<Option<ApiToken>> {
            unreachable!("not used")
        }

        async fn note_uses(&self, _: &[(TokenId, Timestamp)]) -> Result<()> {
            unreachable!("not used")
        }
    }

    fn setup() -> (Arc<Store>, TokenCache) {
        let store = Arc::new(Store::default());
        (Arc::clone(&store), TokenCache::new(store))
    }

    async fn state(tokens: &TokenCache) -> TokenState {
        tokens.find(&HASH).await.unwrap().unwrap().state(Timestamp::UNIX_EPOCH)
    }

    #[tokio::test(start_paused = true)]
    async fn results_are_cached_for_a_second() {
        let (store, tokens) = setup();
        for _ in 0..10 {
            assert!(tokens.find(&HASH).await.unwrap().is_some());
            assert!(tokens.find(&other(2)).await.unwrap().is_none());
        }
        assert_eq!(store.lookups.load(Ordering::Relaxed), 2);
        store.revoked.store(true, Ordering::Relaxed);
        advance(FRESH_FOR).await;
        assert_eq!(state(&tokens).await, TokenState::Revoked);
        assert!(tokens.find(&other(2)).await.unwrap().is_none());
        assert_eq!(store.lookups.load(Ordering::Relaxed), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_refreshes_while_others_use_the_old_result() {
        let (store, tokens) = setup();
        assert_eq!(state(&tokens).await, TokenState::Active);
        store.revoked.store(true, Ordering::Relaxed);
        advance(FRESH_FOR).await;
        let began = Instant::now();
        let others = async {
            assert_eq!(state(&tokens).await, TokenState::Active);
            began.elapsed()
        };
        let (first, waited) = tokio::join!(state(&tokens), others);
        assert_eq!((first, waited), (TokenState::Revoked, Duration::ZERO));
        assert_eq!(store.lookups.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_refresh_does_not_extend_a_result() {
        let (store, tokens) = setup();
        assert_eq!(state(&tokens).await, TokenState::Active);
        store.revoked.store(true, Ordering::Relaxed);
        advance(FRESH_FOR).await;
        let cancelled = tokio::time::timeout(LOOKUP / 2, state(&tokens)).await;
        assert!(cancelled.is_err());
        assert_eq!(state(&tokens).await, TokenState::Active);
        advance(FRESH_FOR).await;
        assert_eq!(state(&tokens).await, TokenState::Revoked);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_store_drops_the_cached_token() {
        let (store, tokens) = setup();
        assert_eq!(state(&tokens).await, TokenState::Active);
        store.broken.store(true, Ordering::Relaxed);
        advance(FRESH_FOR).await;
        assert!(tokens.find(&HASH).await.is_err());
        assert!(tokens.entries().found.is_empty());
        assert!(tokens.find(&HASH).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_tokens_are_looked_up_one_at_a_time_and_known_ones_do_not_wait() {
        let (store, tokens) = setup();
        let tokens = Arc::new(tokens);
        assert_eq!(state(&tokens).await, TokenState::Active);
        advance(FRESH_FOR).await;
        for guess in 2..12 {
            let tokens = Arc::clone(&tokens);
            tokio::spawn(async move { tokens.find(&other(guess)).await });
        }
        tokio::task::yield_now().await;
        assert_eq!(store.lookups.load(Ordering::Relaxed), 2, "one lookup is in progress");
        let began = Instant::now();
        assert_eq!(state(&tokens).await, TokenState::Active);
        assert_eq!(began.elapsed(), LOOKUP, "it did not wait for any of them");
        // A token that is not in the cache yet, for example after a restart, waits in the queue.
        let newcomer = tokens.find(&other(20)).await;
        assert!(newcomer.unwrap().is_none());
        assert_eq!(store.lookups.load(Ordering::Relaxed), 13, "after all lookups queued before it");
    }

    #[tokio::test(start_paused = true)]
    async fn negative_results_are_bounded_and_evict_no_token() {
        let (store, tokens) = setup();
        assert_eq!(state(&tokens).await, TokenState::Active);
        let now = Instant::now();
        for guess in 2..10 * CAPACITY {
            tokens.entries().insert(&other(guess), None, now);
            assert!(tokens.entries().not_found.len() <= CAPACITY);
        }
        assert_eq!(state(&tokens).await, TokenState::Active);
        assert_eq!(store.lookups.load(Ordering::Relaxed), 1);
    }
}
