//! API tokens as they are looked up: in the store, through a small memory of what it said a moment ago.
//!
//! Another process may make or revoke a token at any time, so that what is remembered is asked for anew after
//! a second. It is asked for by one request; the others go on with the old answer meanwhile, for a second more
//! at the most.
//!
//! What has not been found before is asked for one at a time. Guesses of any number keep the store busy with
//! one lookup by an index, and the tokens in use do not wait behind them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::domain::access::{ApiToken, TokenHash};
use crate::storage::{Result, TokenStore};

/// For how long an answer is good.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// For how long it may be used while somebody asks anew.
const USABLE_FOR: Duration = Duration::from_secs(2);

/// How many tokens are remembered; and how many that there are not, apart, so that nobody's guesses push
/// out a token that is in use.
const REMEMBERED: usize = 1024;

/// Looks tokens up.
pub(super) struct Tokens {
    store: Arc<dyn TokenStore>,
    memory: Mutex<Memory>,
    /// Whose turn it is of those that were not found before. They come in order.
    strangers: Semaphore,
}

#[derive(Default)]
struct Memory {
    known: HashMap<[u8; 32], Known>,
    unknown: HashMap<[u8; 32], Instant>,
}

struct Known {
    token: Arc<ApiToken>,
    asked_at: Instant,
    /// Somebody is asking anew.
    asking: bool,
}

/// What is remembered of a token.
enum Remembered {
    Token(Arc<ApiToken>),
    NoSuchToken,
    Nothing,
}

impl Tokens {
    pub(super) fn new(store: Arc<dyn TokenStore>) -> Self {
        Self { store, memory: Mutex::default(), strangers: Semaphore::new(1) }
    }

    /// The token with this hash, if there is one: of use or not.
    pub(super) async fn find(&self, hash: &TokenHash) -> Result<Option<Arc<ApiToken>>> {
        if let Some(remembered) = self.remembered(hash) {
            return Ok(remembered);
        }
        let is_stranger = !self.memory().known.contains_key(&hash.0);
        let _turn = if is_stranger {
            let turn = self.strangers.acquire().await.expect("it is never closed");
            // Others may have come with the same token meanwhile.
            if let Some(remembered) = self.remembered(hash) {
                return Ok(remembered);
            }
            Some(turn)
        } else {
            None
        };
        let asked_at = Instant::now();
        let found = self.store.token(hash).await;
        let mut memory = self.memory();
        // Nothing is remembered of a store that does not answer: what was revoked must not live on by that.
        memory.forget(hash);
        // The lookup went by an index, which may take longer for the more of a hash that is right; this does not.
        let token = found?.filter(|found| found.hash.matches(hash)).map(|found| Arc::new(found.token));
        memory.remember(hash, token.clone(), asked_at);
        Ok(token)
    }

    /// What needs not be asked for.
    #[expect(clippy::option_option, reason = "it is remembered that there is no such token, too")]
    fn remembered(&self, hash: &TokenHash) -> Option<Option<Arc<ApiToken>>> {
        match self.memory().recall(hash, Instant::now()) {
            Remembered::Token(token) => Some(Some(token)),
            Remembered::NoSuchToken => Some(None),
            Remembered::Nothing => None,
        }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().expect("no holder of this lock panics")
    }
}

impl Memory {
    fn recall(&mut self, hash: &TokenHash, now: Instant) -> Remembered {
        if let Some(known) = self.known.get_mut(&hash.0) {
            let age = now.saturating_duration_since(known.asked_at);
            if age < FRESH_FOR || (age < USABLE_FOR && known.asking) {
                return Remembered::Token(Arc::clone(&known.token));
            }
            known.asking = true;
            return Remembered::Nothing;
        }
        match self.unknown.get(&hash.0) {
            Some(asked_at) if now.saturating_duration_since(*asked_at) < FRESH_FOR => Remembered::NoSuchToken,
            _ => Remembered::Nothing,
        }
    }

    fn forget(&mut self, hash: &TokenHash) {
        self.known.remove(&hash.0);
        self.unknown.remove(&hash.0);
    }

    fn remember(&mut self, hash: &TokenHash, token: Option<Arc<ApiToken>>, asked_at: Instant) {
        if let Some(token) = token {
            make_room(&mut self.known, |known| asked_at.saturating_duration_since(known.asked_at));
            self.known.insert(hash.0, Known { token, asked_at, asking: false });
        } else {
            make_room(&mut self.unknown, |at| asked_at.saturating_duration_since(*at));
            self.unknown.insert(hash.0, asked_at);
        }
    }
}

/// Drops what is of no more use, or else everything: all of it would be asked for anew in a moment anyway.
fn make_room<T>(map: &mut HashMap<[u8; 32], T>, age: impl Fn(&T) -> Duration) {
    if map.len() >= REMEMBERED {
        map.retain(|_, value| age(value) < USABLE_FOR);
    }
    if map.len() >= REMEMBERED {
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

    /// Has one token, under [`HASH`].
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
            unreachable!("nobody makes any")
        }

        async fn tokens(&self) -> Result<Vec<ApiToken>> {
            unreachable!("nobody lists any")
        }

        async fn revoke_token(&self, _: TokenId, _: Timestamp) -> Result<Option<ApiToken>> {
            unreachable!("nobody revokes any")
        }

        async fn note_uses(&self, _: &[(TokenId, Timestamp)]) -> Result<()> {
            unreachable!("nobody notes any")
        }
    }

    fn stage() -> (Arc<Store>, Tokens) {
        let store = Arc::new(Store::default());
        (Arc::clone(&store), Tokens::new(store))
    }

    async fn state(tokens: &Tokens) -> TokenState {
        tokens.find(&HASH).await.unwrap().unwrap().state(Timestamp::UNIX_EPOCH)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_good_for_a_second() {
        let (store, tokens) = stage();
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
    async fn one_asks_anew_and_the_others_go_on() {
        let (store, tokens) = stage();
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
    async fn an_answer_is_not_kept_alive_by_requests_that_break_off() {
        let (store, tokens) = stage();
        assert_eq!(state(&tokens).await, TokenState::Active);
        store.revoked.store(true, Ordering::Relaxed);
        advance(FRESH_FOR).await;
        let broken_off = tokio::time::timeout(LOOKUP / 2, state(&tokens)).await;
        assert!(broken_off.is_err());
        assert_eq!(state(&tokens).await, TokenState::Active);
        advance(FRESH_FOR).await;
        assert_eq!(state(&tokens).await, TokenState::Revoked);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_outlives_a_store_that_does_not_answer() {
        let (store, tokens) = stage();
        assert_eq!(state(&tokens).await, TokenState::Active);
        store.broken.store(true, Ordering::Relaxed);
        advance(FRESH_FOR).await;
        assert!(tokens.find(&HASH).await.is_err());
        assert!(tokens.memory().known.is_empty());
        assert!(tokens.find(&HASH).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_are_looked_up_one_at_a_time_and_no_token_in_use_waits_for_them() {
        let (store, tokens) = stage();
        let tokens = Arc::new(tokens);
        assert_eq!(state(&tokens).await, TokenState::Active);
        advance(FRESH_FOR).await;
        for guess in 2..12 {
            let tokens = Arc::clone(&tokens);
            tokio::spawn(async move { tokens.find(&other(guess)).await });
        }
        tokio::task::yield_now().await;
        assert_eq!(store.lookups.load(Ordering::Relaxed), 2, "one guess is under way");
        let began = Instant::now();
        assert_eq!(state(&tokens).await, TokenState::Active);
        assert_eq!(began.elapsed(), LOOKUP, "it did not wait for any of them");
        // One that comes for the first time, after a restart say, waits its turn, and gets it.
        let newcomer = tokens.find(&other(20)).await;
        assert!(newcomer.unwrap().is_none());
        assert_eq!(store.lookups.load(Ordering::Relaxed), 13, "after all that were there before it");
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_fill_no_memory_and_push_no_token_out() {
        let (store, tokens) = stage();
        assert_eq!(state(&tokens).await, TokenState::Active);
        let now = Instant::now();
        for guess in 2..10 * REMEMBERED {
            tokens.memory().remember(&other(guess), None, now);
            assert!(tokens.memory().unknown.len() <= REMEMBERED);
        }
        assert_eq!(state(&tokens).await, TokenState::Active);
        assert_eq!(store.lookups.load(Ordering::Relaxed), 1);
    }
}
