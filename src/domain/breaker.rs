//! A client's circuit breaker: while its RP keeps failing, deliveries wait instead of using up attempts.
//!
//! A pure state machine: the inputs are the results of attempts, the output is how many attempts may be in flight.

use std::time::Duration;

use jiff::Timestamp;

use super::time::after;

/// The settings of all breakers: when they open, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// The number of consecutive recoverable failures that opens a breaker; 0: it never opens.
    pub failures: u32,
    /// How long a breaker stays open before the first probe. Each failed probe doubles the time.
    pub pause: Duration,
    /// The longest time between probes, and so the longest time until a recovered RP is noticed.
    pub max_pause: Duration,
}

/// A breaker's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// Attempts are made.
    Closed {
        /// The number of recoverable failures since the last success or rejection.
        failures: u32,
    },
    /// No attempts until its pause has passed; then one at a time, as a probe.
    Open(OpenBreaker),
}

/// An open breaker; half-open from `until` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenBreaker {
    /// When it opened.
    pub since: Timestamp,
    /// When a probe may be made.
    pub until: Timestamp,
    /// The number of failed probes since it opened.
    pub probes: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// The RP answered, be it with a rejection: the breaker closes.
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
            // An attempt that was already in flight when the breaker opened is not a probe.
            Self::Open(open) if now < open.until => self,
            Self::Open(open) => {
                let probes = open.probes.saturating_add(1);
                Self::Open(OpenBreaker { until: later(now, rules.pause(probes), jitter), probes, ..open })
            }
        }
    }

    /// The number of attempts that may be in flight at `now`: `cap` if closed, one if half-open, none if open.
    pub fn permits(&self, now: Timestamp, cap: u32) -> u32 {
        match self {
            Self::Closed { .. } => cap,
            Self::Open(open) if now < open.until => 0,
            Self::Open(_) => cap.min(1),
        }
    }

    /// When the next probe may be made; `None` if the breaker is closed.
    pub fn open_until(&self) -> Option<Timestamp> {
        match self {
            Self::Closed { .. } => None,
            Self::Open(open) => Some(open.until),
        }
    }

    /// Whether there was no recoverable failure since the last answer.
    pub fn is_healthy(&self) -> bool {
        matches!(self, Self::Closed { failures: 0 })
    }

    /// The state's name: `closed`, `open` or `half_open`.
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

/// `now` plus the pause and up to 20 % of jitter, so that the probes of many clients do not coincide.
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
    fn it_opens_after_consecutive_failures_and_permits_one_probe() {
        let mut breaker = Breaker::default();
        for _ in 0..2 {
            breaker = breaker.failed(&RULES, at(0), 0.0);
            assert_eq!(breaker.permits(at(0), 16), 16);
        }
        breaker = breaker.answered().failed(&RULES, at(0), 0.0).failed(&RULES, at(0), 0.0);
        assert_eq!(breaker, Breaker::Closed { failures: 2 }, "an answer resets the count");

        breaker = breaker.failed(&RULES, at(1), 0.0);
        assert_eq!(breaker, open(1, 6, 0));
        assert_eq!([breaker.permits(at(5), 16), breaker.permits(at(6), 16)], [0, 1]);
        assert_eq!([breaker.state(at(5)), breaker.state(at(6))], ["open", "half_open"]);
        // An attempt that was in flight when the breaker opened changes nothing.
        assert_eq!(breaker.failed(&RULES, at(3), 0.0), breaker);

        breaker = breaker.failed(&RULES, at(6), 0.0);
        assert_eq!(breaker, open(1, 16, 1), "a failed probe doubles the pause");
        assert_eq!(breaker.answered(), Breaker::default());
    }

    #[test]
    fn jitter_lengthens_a_pause_by_at_most_a_fifth() {
        let one = BreakerRules { failures: 1, ..RULES };
        for (jitter, expected) in [(0.0, 5_000), (0.5, 5_500), (1.0, 6_000), (7.0, 6_000), (-1.0, 5_000)] {
            let until = Breaker::default().failed(&one, at(0), jitter).open_until().unwrap();
            assert_eq!(until.as_millisecond(), expected, "{jitter}");
        }
    }

    #[test]
    fn each_failed_probe_doubles_the_pause_up_to_the_maximum() {
        for (probes, expected) in [(0, 10), (1, 20), (2, 40), (3, 60), (4, 60), (u32::MAX, 60)] {
            let until = open(0, 100, probes).failed(&RULES, at(100), 0.0).open_until().unwrap();
            assert_eq!(until, at(100 + expected), "after {probes} probes");
        }
    }

    #[test]
    fn only_a_breaker_without_failures_is_healthy_and_only_an_open_one_has_an_end() {
        let failing = Breaker::Closed { failures: 1 };
        let healthy = [Breaker::default(), failing, open(1, 6, 0)].map(|it| it.is_healthy());
        assert_eq!(healthy, [true, false, false]);
        let ends = [Breaker::default(), failing, open(1, 6, 0)].map(|it| it.open_until());
        assert_eq!(ends, [None, None, Some(at(6))]);
        assert_eq!(failing.state(at(0)), "closed");
        // With a cap of zero there is no probe either.
        assert_eq!(open(1, 6, 0).permits(at(6), 0), 0);
    }

    #[test]
    fn zero_failures_never_open_it() {
        let rules = BreakerRules { failures: 0, ..RULES };
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            breaker = breaker.failed(&rules, at(0), 0.0);
        }
        assert_eq!(breaker.permits(at(0), 16), 16);
    }

    proptest! {
        #[test]
        fn no_pause_exceeds_the_maximum_plus_jitter(probes in 0_u32..u32::MAX, jitter in 0.0_f64..1.0) {
            let breaker = open(0, 100, probes).failed(&RULES, at(100), jitter);
            let pause = breaker.open_until().unwrap().duration_since(at(100)).unsigned_abs();
            prop_assert!(pause <= RULES.max_pause.mul_f64(1.2) + Duration::from_nanos(1), "{pause:?}");
            prop_assert!(pause >= RULES.pause);
        }
    }
}
