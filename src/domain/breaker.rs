//! A client's circuit breaker: when its RP keeps failing, its deliveries wait instead of spending attempts.
//!
//! Pure: it is told what came of attempts, and says when the next one may be made.

use std::time::Duration;

use jiff::Timestamp;

use super::time::after;

/// When breakers open, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// How many recoverable failures in a row open it; 0 never does.
    pub failures: u32,
    /// How long it stays open the first time. Each probe that fails doubles that.
    pub pause: Duration,
    /// The longest it stays open: a relying party that comes back is found within this time.
    pub max_pause: Duration,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// Attempts are made.
    Closed {
        /// How many have failed recoverably since the last answer.
        failures: u32,
    },
    /// No attempts are made until its time; then one is, as a probe.
    Open(OpenBreaker),
}

/// A breaker that is open, or half-open once its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenBreaker {
    /// When it opened.
    pub since: Timestamp,
    /// When a probe may be made.
    pub until: Timestamp,
    /// How many probes have failed since it opened.
    pub probes: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// The RP answered, if only to refuse.
    #[must_use]
    pub fn answered(self) -> Self {
        Self::default()
    }

    /// An attempt failed recoverably. `jitter` is a number drawn from `0.0..1.0`.
    #[must_use]
    pub fn failed(self, rules: &BreakerRules, now: Timestamp, jitter: f64) -> Self {
        match self {
            Self::Closed { failures } => {
                let failures = failures.saturating_add(1);
                if rules.failures == 0 || failures < rules.failures {
                    return Self::Closed { failures };
                }
                Self::Open(OpenBreaker { since: now, until: later(now, rules.pause(0), jitter), probes: 0 })
            }
            // One that was under way when it opened: it says nothing new.
            Self::Open(open) if now < open.until => self,
            Self::Open(open) => {
                let probes = open.probes.saturating_add(1);
                Self::Open(OpenBreaker { until: later(now, rules.pause(probes), jitter), probes, ..open })
            }
        }
    }

    /// How many attempts may be under way at `now`, of which `cap` is the most: all, one as a probe, or none.
    pub fn room(&self, now: Timestamp, cap: u32) -> u32 {
        match self {
            Self::Closed { .. } => cap,
            Self::Open(open) if now < open.until => 0,
            Self::Open(_) => cap.min(1),
        }
    }

    /// When attempts may be made: at once, or when a probe may.
    pub fn open_until(&self) -> Option<Timestamp> {
        match self {
            Self::Closed { .. } => None,
            Self::Open(open) => Some(open.until),
        }
    }

    /// Whether the last attempt that counts went well, or none was made yet.
    pub fn is_trusted(&self) -> bool {
        matches!(self, Self::Closed { failures: 0 })
    }

    /// The name of where it stands: `closed`, `open` or `half_open`.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open(open) if now < open.until => "open",
            Self::Open(_) => "half_open",
        }
    }
}

impl BreakerRules {
    fn pause(&self, probes: u32) -> Duration {
        self.pause.saturating_mul(2_u32.saturating_pow(probes)).min(self.max_pause)
    }
}

/// A little later than `pause` alone would be, so that probes of many clients do not fall together.
fn later(now: Timestamp, pause: Duration, jitter: f64) -> Timestamp {
    let pause = pause.mul_f64(1.0 + 0.2 * jitter.clamp(0.0, 1.0));
    after(now, pause)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: BreakerRules =
        BreakerRules { failures: 3, pause: Duration::from_secs(5), max_pause: Duration::from_mins(1) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn open(since: i64, until: i64, probes: u32) -> Breaker {
        Breaker::Open(OpenBreaker { since: at(since), until: at(until), probes })
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_probe_through() {
        let mut breaker = Breaker::default();
        for _ in 0..2 {
            breaker = breaker.failed(&RULES, at(0), 0.0);
            assert_eq!(breaker.room(at(0), 16), 16);
        }
        breaker = breaker.answered().failed(&RULES, at(0), 0.0).failed(&RULES, at(0), 0.0);
        assert_eq!(breaker, Breaker::Closed { failures: 2 }, "an answer starts the count anew");

        breaker = breaker.failed(&RULES, at(1), 0.0);
        assert_eq!(breaker, open(1, 6, 0));
        assert_eq!([breaker.room(at(5), 16), breaker.room(at(6), 16)], [0, 1]);
        assert_eq!([breaker.state(at(5)), breaker.state(at(6))], ["open", "half_open"]);
        // A straggler that was under way changes nothing.
        assert_eq!(breaker.failed(&RULES, at(3), 0.0), breaker);

        breaker = breaker.failed(&RULES, at(6), 0.0);
        assert_eq!(breaker, open(1, 16, 1), "a failed probe doubles the pause");
        assert_eq!(breaker.answered(), Breaker::default());
    }

    #[test]
    fn a_pause_is_up_to_a_fifth_longer_at_random_and_never_shorter() {
        let one = BreakerRules { failures: 1, ..RULES };
        for (jitter, expected) in [(0.0, 5_000), (0.5, 5_500), (1.0, 6_000), (7.0, 6_000), (-1.0, 5_000)] {
            let until = Breaker::default().failed(&one, at(0), jitter).open_until().unwrap();
            assert_eq!(until.as_millisecond(), expected, "{jitter}");
        }
    }

    #[test]
    fn each_failed_probe_doubles_the_pause_up_to_the_longest() {
        for (probes, expected) in [(0, 10), (1, 20), (2, 40), (3, 60), (4, 60), (u32::MAX, 60)] {
            let until = open(0, 100, probes).failed(&RULES, at(100), 0.0).open_until().unwrap();
            assert_eq!(until, at(100 + expected), "after {probes} probes");
        }
    }

    #[test]
    fn only_a_breaker_without_failures_is_trusted_and_only_an_open_one_has_an_end() {
        let failing = Breaker::Closed { failures: 1 };
        let trusted = [Breaker::default(), failing, open(1, 6, 0)].map(|it| it.is_trusted());
        assert_eq!(trusted, [true, false, false]);
        let ends = [Breaker::default(), failing, open(1, 6, 0)].map(|it| it.open_until());
        assert_eq!(ends, [None, None, Some(at(6))]);
        assert_eq!(failing.state(at(0)), "closed");
        // A client that takes no attempts gets no probe either.
        assert_eq!(open(1, 6, 0).room(at(6), 0), 0);
    }

    #[test]
    fn zero_failures_never_open_it() {
        let rules = BreakerRules { failures: 0, ..RULES };
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            breaker = breaker.failed(&rules, at(0), 0.0);
        }
        assert_eq!(breaker.room(at(0), 16), 16);
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_the_longest_and_a_fifth(probes in 0_u32..u32::MAX, jitter in 0.0_f64..1.0) {
            let breaker = open(0, 100, probes).failed(&RULES, at(100), jitter);
            let pause = breaker.open_until().unwrap().duration_since(at(100)).unsigned_abs();
            prop_assert!(pause <= RULES.max_pause.mul_f64(1.2) + Duration::from_nanos(1), "{pause:?}");
            prop_assert!(pause >= RULES.pause);
        }
    }
}
