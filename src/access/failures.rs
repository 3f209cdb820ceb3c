//! Rate limit of failed attempts to authenticate, by source.
//!
//! This module only counts. A blocked source's tokens are still checked by the caller of this module: a valid token
//! must not be rejected because of guesses from the same address.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::{Source, interval};
use crate::domain::access::Rate;

/// The maximum number of sources counted separately. Any others share one limit until idle entries are removed.
const MAX_SOURCES: usize = 100_000;

/// The minimum time between two removals of idle entries when the map is full: each one scans the map.
const PURGE_INTERVAL: Duration = Duration::from_secs(1);

/// The rate limit of failed attempts for each source.
pub(super) struct FailedAttempts {
    rate: Option<Rate>,
    max_sources: usize,
    counters: Mutex<Counters>,
}

struct Counters {
    sources: HashMap<Source, Counter>,
    /// When idle entries were last removed because the map was full.
    purged_at: Option<Instant>,
}

/// The used part of a source's limit (generic cell rate algorithm, as in `governor`).
struct Counter {
    /// When the whole limit is available again: the algorithm's theoretical arrival time.
    free_at: Instant,
    /// Whether it was logged that the limit is reached.
    warned: bool,
}

impl FailedAttempts {
    /// `None`: unlimited.
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self::with_max_sources(rate, MAX_SOURCES)
    }

    fn with_max_sources(rate: Option<Rate>, max_sources: usize) -> Self {
        let counters = Mutex::new(Counters { sources: HashMap::new(), purged_at: None });
        Self { rate, max_sources, counters }
    }

    /// If the source is blocked, the time until it may fail again.
    pub(super) fn blocked_for(&self, source: Source) -> Option<Duration> {
        let rate = self.rate?;
        let counters = self.counters();
        let counter = counters.sources.get(&counters.key_of(source, self.max_sources))?;
        let used = counter.free_at.saturating_duration_since(Instant::now());
        let wait = used.saturating_sub(interval(rate) * (rate.count().get() - 1));
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts a failure. Failures of a blocked source are not counted: they do not extend the block.
    pub(super) fn count(&self, source: Source) {
        let Some(rate) = self.rate else { return };
        let now = Instant::now();
        let mut counters = self.counters();
        counters.purge_if_full(self.max_sources, now);
        let source = counters.key_of(source, self.max_sources);
        let counter = counters.sources.entry(source).or_insert(Counter { free_at: now, warned: false });
        let burst = interval(rate) * rate.count().get();
        let free_at = counter.free_at.max(now) + interval(rate);
        if free_at > now + burst {
            return;
        }
        counter.free_at = free_at;
        let is_blocked_now = free_at + interval(rate) > now + burst;
        if is_blocked_now && !std::mem::replace(&mut counter.warned, true) {
            tracing::warn!(%source, limit = %rate, "too many failed attempts to authenticate");
        }
    }

    pub(super) fn remove_idle(&self) {
        self.counters().remove_idle(Instant::now());
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().expect("no holder of this lock panics")
    }
}

impl Counters {
    /// The key under which a source is counted: its own, or [`Source::Others`] if the map is full.
    fn key_of(&self, source: Source, max_sources: usize) -> Source {
        let is_separate = self.sources.contains_key(&source) || self.sources.len() < max_sources;
        if is_separate { source } else { Source::Others }
    }

    fn purge_if_full(&mut self, max_sources: usize, now: Instant) {
        let is_due = self.purged_at.is_none_or(|at| now.saturating_duration_since(at) >= PURGE_INTERVAL);
        if self.sources.len() >= max_sources && is_due {
            self.purged_at = Some(now);
            self.remove_idle(now);
        }
    }

    fn remove_idle(&mut self, now: Instant) {
        self.sources.retain(|_, counter| counter.free_at > now);
        self.sources.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::time::advance;

    use super::*;

    fn source(text: &str) -> Source {
        Source::from(text.parse::<IpAddr>().unwrap())
    }

    fn nth(number: u32) -> Source {
        Source::from(IpAddr::from(number.to_be_bytes()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_fails_too_often_is_blocked_for_a_while() {
        let failed = FailedAttempts::new(Some("3/m".parse().unwrap()));
        let (one, other) = (source("192.0.2.1"), source("192.0.2.2"));
        for _ in 0..3 {
            assert_eq!(failed.blocked_for(one), None);
            failed.count(one);
        }
        assert_eq!(failed.blocked_for(one), Some(Duration::from_secs(20)));
        assert_eq!(failed.blocked_for(other), None);
        // Failures while blocked do not extend the block.
        failed.count(one);
        assert_eq!(failed.blocked_for(one), Some(Duration::from_secs(20)));

        // Then one more failure is allowed, which blocks the source again.
        advance(Duration::from_secs(20)).await;
        assert_eq!(failed.blocked_for(one), None);
        failed.count(one);
        assert!(failed.blocked_for(one).is_some());

        advance(Duration::from_mins(2)).await;
        failed.remove_idle();
        assert!(failed.counters().sources.is_empty());
        let unlimited = FailedAttempts::new(None);
        unlimited.count(one);
        assert!(unlimited.blocked_for(one).is_none() && unlimited.counters().sources.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn sources_beyond_the_maximum_share_one_limit() {
        let failed = FailedAttempts::with_max_sources(Some("3/m".parse().unwrap()), 10);
        for number in 0..10 {
            failed.count(nth(number));
        }
        // Sources beyond the maximum share one limit.
        for number in 10..13 {
            assert_eq!(failed.blocked_for(nth(number)), None);
            failed.count(nth(number));
        }
        for number in 10..1_000 {
            assert!(failed.blocked_for(nth(number)).is_some());
            failed.count(nth(number));
        }
        assert_eq!(failed.counters().sources.len(), 11);
        assert_eq!(failed.blocked_for(nth(5)), None, "earlier sources keep their own limit");

        // Idle sources are removed when a new one needs space.
        advance(Duration::from_secs(61)).await;
        for _ in 0..3 {
            failed.count(nth(2_000));
        }
        assert!(failed.blocked_for(nth(2_000)).is_some());
        assert_eq!(failed.blocked_for(nth(2_001)), None);
        assert_eq!(failed.counters().sources.len(), 1);
    }
}
