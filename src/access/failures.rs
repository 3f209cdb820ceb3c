//! How often an address may come with a token that is not valid.
//!
//! It only says so. Whoever asks still looks a token up that can be one: what is right is not refused for what
//! others at the same address guess.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::{Source, interval};
use crate::domain::access::Rate;

/// How many addresses are told apart; those beyond share the room of one, until others are forgotten.
const MAX_SOURCES: usize = 100_000;

/// How often at the most those who have been quiet are looked for when there is no place left.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often an address may come with a token that is none.
pub(super) struct FailedAttempts {
    rate: Option<Rate>,
    most: usize,
    seen: Mutex<Seen>,
}

struct Seen {
    sources: HashMap<Source, Tally>,
    looked_at: Option<Instant>,
}

/// What a source has used of its room (the generic cell rate algorithm, as `governor` has it).
struct Tally {
    /// When it has all of its room again.
    free_at: Instant,
    /// That it has none was logged.
    warned: bool,
}

impl FailedAttempts {
    /// `None`: as often as it likes.
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self::telling_apart(rate, MAX_SOURCES)
    }

    fn telling_apart(rate: Option<Rate>, most: usize) -> Self {
        Self { rate, most, seen: Mutex::new(Seen { sources: HashMap::new(), looked_at: None }) }
    }

    /// After how long this source has room for another failure, if it has none now.
    pub(super) fn blocked_for(&self, source: Source) -> Option<Duration> {
        let rate = self.rate?;
        let seen = self.seen();
        let tally = seen.sources.get(&seen.place_of(source, self.most))?;
        let used = tally.free_at.saturating_duration_since(Instant::now());
        let wait = used.saturating_sub(interval(rate) * (rate.count().get() - 1));
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts a failure. Where there is no room for it, it changes nothing: whoever goes on has room for one more
    /// as soon as whoever stops.
    pub(super) fn count(&self, source: Source) {
        let Some(rate) = self.rate else { return };
        let now = Instant::now();
        let mut seen = self.seen();
        seen.make_room(self.most, now);
        let source = seen.place_of(source, self.most);
        let tally = seen.sources.entry(source).or_insert(Tally { free_at: now, warned: false });
        let all_of_it = interval(rate) * rate.count().get();
        let free_at = tally.free_at.max(now) + interval(rate);
        if free_at > now + all_of_it {
            return;
        }
        tally.free_at = free_at;
        let is_last = free_at + interval(rate) > now + all_of_it;
        if is_last && !std::mem::replace(&mut tally.warned, true) {
            tracing::warn!(%source, limit = %rate, "too many failed attempts to authenticate");
        }
    }

    pub(super) fn forget_idle(&self) {
        self.seen().forget_idle(Instant::now());
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no holder of this lock panics")
    }
}

impl Seen {
    /// Where this source is counted: by itself while there are places, with all others when there are none.
    fn place_of(&self, source: Source, most: usize) -> Source {
        let by_itself = self.sources.contains_key(&source) || self.sources.len() < most;
        if by_itself { source } else { Source::Others }
    }

    fn make_room(&mut self, most: usize, now: Instant) {
        let rested = self.looked_at.is_none_or(|at| now.saturating_duration_since(at) >= LOOK_EVERY);
        if self.sources.len() >= most && rested {
            self.looked_at = Some(now);
            self.forget_idle(now);
        }
    }

    fn forget_idle(&mut self, now: Instant) {
        self.sources.retain(|_, tally| tally.free_at > now);
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
    async fn a_source_that_fails_too_often_has_no_room_for_a_while() {
        let failed = FailedAttempts::new(Some("3/m".parse().unwrap()));
        let (one, other) = (source("192.0.2.1"), source("192.0.2.2"));
        for _ in 0..3 {
            assert_eq!(failed.blocked_for(one), None);
            failed.count(one);
        }
        assert_eq!(failed.blocked_for(one), Some(Duration::from_secs(20)));
        assert_eq!(failed.blocked_for(other), None);
        // What comes meanwhile makes it no longer.
        failed.count(one);
        assert_eq!(failed.blocked_for(one), Some(Duration::from_secs(20)));

        // There is room for one more, and then not again.
        advance(Duration::from_secs(20)).await;
        assert_eq!(failed.blocked_for(one), None);
        failed.count(one);
        assert!(failed.blocked_for(one).is_some());

        advance(Duration::from_mins(2)).await;
        failed.forget_idle();
        assert!(failed.seen().sources.is_empty());
        let unlimited = FailedAttempts::new(None);
        unlimited.count(one);
        assert!(unlimited.blocked_for(one).is_none() && unlimited.seen().sources.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_a_limit_when_there_are_more_sources_than_are_told_apart() {
        let failed = FailedAttempts::telling_apart(Some("3/m".parse().unwrap()), 10);
        for number in 0..10 {
            failed.count(nth(number));
        }
        // Those beyond share the room of one.
        for number in 10..13 {
            assert_eq!(failed.blocked_for(nth(number)), None);
            failed.count(nth(number));
        }
        for number in 10..1_000 {
            assert!(failed.blocked_for(nth(number)).is_some());
            failed.count(nth(number));
        }
        assert_eq!(failed.seen().sources.len(), 11);
        assert_eq!(failed.blocked_for(nth(5)), None, "those that were there have their own");

        // Whoever has been quiet makes place, for one that fails when no one else does.
        advance(Duration::from_secs(61)).await;
        for _ in 0..3 {
            failed.count(nth(2_000));
        }
        assert!(failed.blocked_for(nth(2_000)).is_some());
        assert_eq!(failed.blocked_for(nth(2_001)), None);
        assert_eq!(failed.seen().sources.len(), 1);
    }
}
