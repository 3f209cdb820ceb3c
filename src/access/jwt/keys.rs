//! The cache of the issuer's keys, and the task that refreshes it.
//!
//! Requests read the cache. Only requests with an unknown `kid` wait for a fetch, which they share; how often unknown
//! `kid`s can trigger a fetch is limited.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::fetch::FetchKeys;
use super::key_set::KeySet;
use crate::causes::Causes;
use crate::shutdown::Shutdown;

/// The time between fetches, and so the longest time for which a withdrawn key is still accepted.
const REFRESH_INTERVAL: Duration = Duration::from_mins(5);

/// The time after a failed fetch until the next, and the minimum time between fetches for unknown `kid`s.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// How long keys are used if no newer ones can be fetched.
const USABLE_FOR: Duration = Duration::from_hours(24);

/// How long a request waits for a fetch: slightly longer than the timeouts of its two documents together.
const WAIT_TIMEOUT: Duration = Duration::from_secs(11);

/// The cached keys.
pub(super) struct Keys {
    cache: watch::Receiver<Cache>,
    wake: Arc<Notify>,
    requested: Mutex<Option<RequestedFetch>>,
}

/// The task that fetches the keys.
pub(in crate::access) struct Refresher {
    cache: watch::Sender<Cache>,
    wake: Arc<Notify>,
    fetch: Arc<dyn FetchKeys>,
}

#[derive(Clone, Default)]
struct Cache {
    keys: KeySet,
    /// When these keys were fetched; `None`: never.
    fetched_at: Option<Instant>,
    /// The number of completed fetches, successful or not.
    fetches: u64,
}

/// A fetch that was requested because of an unknown `kid`.
struct RequestedFetch {
    at: Instant,
    /// The number of fetches completed at that time.
    fetches: u64,
}

/// The result of looking up a key.
pub(super) enum KeyLookup {
    /// The key.
    Found(Arc<DecodingKey>),
    /// The issuer has no such key.
    Unknown,
    /// There are no keys, or they are too old.
    Unavailable,
}

/// Creates an empty cache and the task that fills it.
pub(super) fn key_cache(fetch: Arc<dyn FetchKeys>) -> (Keys, Refresher) {
    let (sender, receiver) = watch::channel(Cache::default());
    let wake = Arc::new(Notify::new());
    let keys = Keys { cache: receiver, wake: Arc::clone(&wake), requested: Mutex::default() };
    (keys, Refresher { cache: sender, wake, fetch })
}

impl Keys {
    /// The issuer's key with this id for this algorithm. If it is unknown, waits for a fetch, unless one was made
    /// recently.
    pub(super) async fn find(&self, kid: &str, alg: Algorithm) -> KeyLookup {
        let (lookup, fetches) = self.find_cached(kid, alg);
        if matches!(lookup, KeyLookup::Found(_)) || !self.should_wait(fetches) {
            return lookup;
        }
        let mut cache = self.cache.clone();
        // After a timeout or during shutdown the cache is unchanged, and so is the result.
        let _ = timeout(WAIT_TIMEOUT, cache.wait_for(|cache| cache.fetches > fetches)).await;
        self.find_cached(kid, alg).0
    }

    /// The cached key, and the number of fetches completed so far.
    fn find_cached(&self, kid: &str, alg: Algorithm) -> (KeyLookup, u64) {
        let cache = self.cache.borrow();
        let usable = cache.fetched_at.is_some_and(|at| at.elapsed() < USABLE_FOR);
        let lookup = match cache.keys.find(kid, alg) {
            Some(key) if usable => KeyLookup::Found(key),
            None if usable => KeyLookup::Unknown,
            _ => KeyLookup::Unavailable,
        };
        (lookup, cache.fetches)
    }

    /// Whether to wait for a fetch: one is in progress, or is requested now because the last request is long enough
    /// ago.
    fn should_wait(&self, fetches: u64) -> bool {
        // The task makes the first fetch without a request.
        if fetches == 0 {
            return true;
        }
        let mut requested = self.requested.lock().expect("no holder of this lock panics");
        match &*requested {
            Some(last) if last.at.elapsed() < RETRY_INTERVAL => last.fetches == fetches,
            _ => {
                *requested = Some(RequestedFetch { at: Instant::now(), fetches });
                self.wake.notify_one();
                true
            }
        }
    }
}

impl Refresher {
    /// Fetches the keys at once, then regularly and on request, until the service drains.
    pub(in crate::access) async fn run(self, shutdown: Shutdown) {
        loop {
            let pause = tokio::select! {
                pause = self.refresh() => pause,
                () = shutdown.draining() => return,
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.wake.notified() => {}
                () = shutdown.draining() => return,
            }
        }
    }

    /// Fetches the keys, and returns the time until the next fetch. If the fetch fails, the old keys are kept.
    async fn refresh(&self) -> Duration {
        let fetched = self.fetch.fetch().await;
        if let Err(error) = &fetched {
            tracing::warn!(error = %Causes(error), "the keys of access.jwt.issuer could not be fetched");
        }
        let pause = if fetched.is_ok() { REFRESH_INTERVAL } else { RETRY_INTERVAL };
        self.cache.send_modify(|cache| {
            cache.fetches += 1;
            if let Ok(keys) = fetched {
                tracing::debug!(keys = keys.len(), "the keys of access.jwt.issuer were fetched");
                cache.keys = keys;
                cache.fetched_at = Some(Instant::now());
            }
        });
        pause
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use serde_json::json;

    use super::*;
    use crate::access::jwt::fetch::FetchError;

    /// Returns the scripted sets of kids in order, then repeats the last one; `None` is a failure.
    struct ScriptedFetch {
        answers: Mutex<VecDeque<Option<&'static [&'static str]>>>,
        fetches: AtomicUsize,
    }

    #[async_trait]
    impl FetchKeys for ScriptedFetch {
        async fn fetch(&self) -> Result<KeySet, FetchError> {
            sleep(Duration::from_secs(1)).await;
            self.fetches.fetch_add(1, Ordering::Relaxed);
            let mut answers = self.answers.lock().unwrap();
            let answer = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0] };
            let kids = answer.ok_or(FetchError::Issuer("it is not there".to_owned()))?;
            let key = |kid: &&str| json!({"kty": "RSA", "kid": kid, "n": "AQAB", "e": "AQAB"});
            let keys: Vec<_> = kids.iter().map(key).collect();
            Ok(KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap())
        }
    }

    struct Fixture {
        script: Arc<ScriptedFetch>,
        keys: Arc<Keys>,
        shutdown: Shutdown,
    }

    impl Fixture {
        fn new(answers: &[Option<&'static [&'static str]>]) -> Self {
            let answers = Mutex::new(answers.iter().copied().collect());
            let script = Arc::new(ScriptedFetch { answers, fetches: AtomicUsize::new(0) });
            let (keys, refresher) = key_cache(Arc::clone(&script) as _);
            let shutdown = Shutdown::new();
            tokio::spawn(refresher.run(shutdown.clone()));
            Self { script, keys: Arc::new(keys), shutdown }
        }

        async fn find(&self, kid: &str) -> &'static str {
            match self.keys.find(kid, Algorithm::RS256).await {
                KeyLookup::Found(_) => "found",
                KeyLookup::Unknown => "unknown",
                KeyLookup::Unavailable => "unavailable",
            }
        }

        fn fetches(&self) -> usize {
            self.script.fetches.load(Ordering::Relaxed)
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            self.shutdown.drain();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_share_the_first_fetch() {
        let fixture = Fixture::new(&[Some(&["a"])]);
        let (one, two, three) = tokio::join!(fixture.find("a"), fixture.find("a"), fixture.find("b"));
        assert_eq!((one, two, three), ("found", "found", "unknown"));
        assert_eq!(fixture.fetches(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn fetches_for_unknown_keys_are_limited() {
        let fixture = Fixture::new(&[Some(&["a"]), Some(&["a", "b"]), Some(&["b"])]);
        sleep(Duration::from_secs(40)).await;
        assert_eq!(fixture.find("b").await, "found");
        assert_eq!(fixture.fetches(), 2);
        for _ in 0..10 {
            assert_eq!(fixture.find("made up").await, "unknown");
        }
        assert_eq!(fixture.fetches(), 2);
        sleep(RETRY_INTERVAL).await;
        assert_eq!(fixture.find("made up").await, "unknown");
        assert_eq!(fixture.fetches(), 3);
        assert_eq!(fixture.find("a").await, "unknown", "it was withdrawn");
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_key_does_not_wait_for_a_fetch() {
        let fixture = Fixture::new(&[Some(&["a"])]);
        sleep(Duration::from_secs(40)).await;
        let began = Instant::now();
        let unknown = fixture.find("made up");
        let known = async {
            assert_eq!(fixture.find("a").await, "found");
            began.elapsed()
        };
        let (unknown, waited) = tokio::join!(unknown, known);
        assert_eq!((unknown, waited), ("unknown", Duration::ZERO));
        assert!(began.elapsed() >= Duration::from_secs(1), "the unknown one waited for a fetch");
    }

    #[tokio::test(start_paused = true)]
    async fn old_keys_are_used_for_a_day_if_no_new_ones_can_be_fetched() {
        let fixture = Fixture::new(&[Some(&["a"]), None]);
        sleep(Duration::from_hours(23)).await;
        assert_eq!(fixture.find("a").await, "found");
        assert!(fixture.fetches() > 100);
        sleep(Duration::from_hours(2)).await;
        assert_eq!(fixture.find("a").await, "unavailable");
    }

    #[tokio::test(start_paused = true)]
    async fn failed_fetches_are_retried() {
        let fixture = Fixture::new(&[None, None, Some(&["a"])]);
        assert_eq!(fixture.find("a").await, "unavailable");
        assert_eq!(fixture.find("a").await, "unavailable");
        sleep(3 * RETRY_INTERVAL).await;
        assert_eq!(fixture.find("a").await, "found");
    }
}
