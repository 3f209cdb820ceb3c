//! An issuer's keys as they are remembered, and the one task that fetches them.
//!
//! Requests read what is remembered. Only one whose `kid` is unknown waits, with all others of the kind, for
//! one fetch; how often a made-up `kid` can cause one is limited.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::fetch::FetchKeys;
use super::key_set::KeySet;
use crate::causes::Causes;
use crate::shutdown::Shutdown;

/// How often the keys are fetched: how long one that was withdrawn may still be taken.
const REFRESH_EVERY: Duration = Duration::from_mins(5);

/// How long after a fetch that failed the next is made; and how often one is made for an unknown `kid`.
const RETRY_EVERY: Duration = Duration::from_secs(30);

/// For how long keys are used when no newer ones can be fetched.
const USABLE_FOR: Duration = Duration::from_hours(24);

/// How long a request waits for keys: a little longer than a fetch of two documents takes at the most.
const PATIENCE: Duration = Duration::from_secs(11);

/// The keys, for whoever verifies.
pub(super) struct Keys {
    known: watch::Receiver<Known>,
    wake: Arc<Notify>,
    asked: Mutex<Option<Asked>>,
}

/// The task that fetches them.
pub(in crate::access) struct Refresher {
    known: watch::Sender<Known>,
    wake: Arc<Notify>,
    fetch: Arc<dyn FetchKeys>,
}

/// What is known so far.
#[derive(Clone, Default)]
struct Known {
    keys: KeySet,
    /// When these keys were fetched; `None`: never.
    fetched_at: Option<Instant>,
    /// How many fetches have ended, well or not.
    fetches: u64,
}

/// A fetch that was asked for because of an unknown `kid`.
struct Asked {
    at: Instant,
    /// How many fetches had ended then.
    fetches: u64,
}

/// What is known of a key.
pub(super) enum KeyLookup {
    /// It is there.
    Found(Arc<DecodingKey>),
    /// The issuer has none like it.
    Unknown,
    /// Nobody knows: there are no keys, or only too old ones.
    Unavailable,
}

/// The keys and their task.
pub(super) fn key_cache(fetch: Arc<dyn FetchKeys>) -> (Keys, Refresher) {
    let (sender, receiver) = watch::channel(Known::default());
    let wake = Arc::new(Notify::new());
    let keys = Keys { known: receiver, wake: Arc::clone(&wake), asked: Mutex::default() };
    (keys, Refresher { known: sender, wake, fetch })
}

impl Keys {
    /// The issuer's key with this id, if it goes with this algorithm.
    pub(super) async fn find(&self, kid: &str, alg: Algorithm) -> KeyLookup {
        let (lookup, fetches) = self.look(kid, alg);
        if matches!(lookup, KeyLookup::Found(_)) || !self.may_wait(fetches) {
            return lookup;
        }
        let mut known = self.known.clone();
        // Its errors are that it took too long, and that the service is ending: then it is as it was.
        let _ = timeout(PATIENCE, known.wait_for(|known| known.fetches > fetches)).await;
        self.look(kid, alg).0
    }

    fn look(&self, kid: &str, alg: Algorithm) -> (KeyLookup, u64) {
        let known = self.known.borrow();
        let usable = known.fetched_at.is_some_and(|at| at.elapsed() < USABLE_FOR);
        let lookup = match known.keys.find(kid, alg) {
            Some(key) if usable => KeyLookup::Found(key),
            None if usable => KeyLookup::Unknown,
            _ => KeyLookup::Unavailable,
        };
        (lookup, known.fetches)
    }

    /// Whether a fetch is worth waiting for: one is under way, or is asked for now since that was not done for
    /// a while.
    fn may_wait(&self, fetches: u64) -> bool {
        // The first one is made without being asked for.
        if fetches == 0 {
            return true;
        }
        let mut asked = self.asked.lock().expect("no holder of this lock panics");
        match &*asked {
            Some(before) if before.at.elapsed() < RETRY_EVERY => before.fetches == fetches,
            _ => {
                *asked = Some(Asked { at: Instant::now(), fetches });
                self.wake.notify_one();
                true
            }
        }
    }
}

impl Refresher {
    /// Fetches the keys at once, then regularly and when asked, until draining is asked for.
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

    /// Fetches the keys, and returns when to do it again. When it fails the old ones are kept.
    async fn refresh(&self) -> Duration {
        let fetched = self.fetch.fetch().await;
        if let Err(error) = &fetched {
            tracing::warn!(error = %Causes(error), "the keys of access.jwt.issuer could not be fetched");
        }
        let pause = if fetched.is_ok() { REFRESH_EVERY } else { RETRY_EVERY };
        self.known.send_modify(|known| {
            known.fetches += 1;
            if let Ok(keys) = fetched {
                tracing::debug!(keys = keys.len(), "the keys of access.jwt.issuer were fetched");
                known.keys = keys;
                known.fetched_at = Some(Instant::now());
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

    use super::super::fetch::FetchError;
    use super::*;

    /// Answers with one set of kids after another, the last one again and again; `None` is a failure.
    struct Script {
        answers: Mutex<VecDeque<Option<&'static [&'static str]>>>,
        fetches: AtomicUsize,
    }

    #[async_trait]
    impl FetchKeys for Script {
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

    struct Stage {
        script: Arc<Script>,
        keys: Arc<Keys>,
        shutdown: Shutdown,
    }

    impl Stage {
        fn set(answers: &[Option<&'static [&'static str]>]) -> Self {
            let answers = Mutex::new(answers.iter().copied().collect());
            let script = Arc::new(Script { answers, fetches: AtomicUsize::new(0) });
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

    impl Drop for Stage {
        fn drop(&mut self) {
            self.shutdown.drain();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_share_the_first_fetch() {
        let stage = Stage::set(&[Some(&["a"])]);
        let (one, two, three) = tokio::join!(stage.find("a"), stage.find("a"), stage.find("b"));
        assert_eq!((one, two, three), ("found", "found", "unknown"));
        assert_eq!(stage.fetches(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_key_is_asked_for_now_and_then() {
        let stage = Stage::set(&[Some(&["a"]), Some(&["a", "b"]), Some(&["b"])]);
        sleep(Duration::from_secs(40)).await;
        assert_eq!(stage.find("b").await, "found");
        assert_eq!(stage.fetches(), 2);
        for _ in 0..10 {
            assert_eq!(stage.find("made up").await, "unknown");
        }
        assert_eq!(stage.fetches(), 2);
        sleep(RETRY_EVERY).await;
        assert_eq!(stage.find("made up").await, "unknown");
        assert_eq!(stage.fetches(), 3);
        assert_eq!(stage.find("a").await, "unknown", "it was withdrawn");
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_key_waits_for_nobody() {
        let stage = Stage::set(&[Some(&["a"])]);
        sleep(Duration::from_secs(40)).await;
        let began = Instant::now();
        let strange = stage.find("made up");
        let known = async {
            assert_eq!(stage.find("a").await, "found");
            began.elapsed()
        };
        let (strange, waited) = tokio::join!(strange, known);
        assert_eq!((strange, waited), ("unknown", Duration::ZERO));
        assert!(began.elapsed() >= Duration::from_secs(1), "the strange one waited for a fetch");
    }

    #[tokio::test(start_paused = true)]
    async fn old_keys_are_kept_for_a_day_when_no_new_ones_come() {
        let stage = Stage::set(&[Some(&["a"]), None]);
        sleep(Duration::from_hours(23)).await;
        assert_eq!(stage.find("a").await, "found");
        assert!(stage.fetches() > 100);
        sleep(Duration::from_hours(2)).await;
        assert_eq!(stage.find("a").await, "unavailable");
    }

    #[tokio::test(start_paused = true)]
    async fn keys_come_when_the_issuer_is_back() {
        let stage = Stage::set(&[None, None, Some(&["a"])]);
        assert_eq!(stage.find("a").await, "unavailable");
        assert_eq!(stage.find("a").await, "unavailable");
        sleep(3 * RETRY_EVERY).await;
        assert_eq!(stage.find("a").await, "found");
    }
}
