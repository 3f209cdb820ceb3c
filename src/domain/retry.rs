//! The retry schedule of deliveries.

use std::time::Duration;

use jiff::Timestamp;

/// The largest part of a delay that is added at random, so that deliveries that failed together are not all retried at
/// once. Jitter only adds: the configured delays are minimums.
const MAX_JITTER: f64 = 0.2;

/// The longest `Retry-After` that is honoured; a longer one would delay a logout for too long.
const MAX_HINT: Duration = Duration::from_hours(1);

/// The delays between attempts. The last one repeats until the delivery expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule(Vec<Duration>);

impl RetrySchedule {
    /// A schedule of these delays; `None` if the list is empty.
    pub fn new(waits: Vec<Duration>) -> Option<Self> {
        (!waits.is_empty()).then_some(Self(waits))
    }

    /// When the next attempt is due after `failures` (≥ 1) failed attempts, the last of which ended at `now`.
    ///
    /// `hint` is the response's `Retry-After`, `jitter` a number drawn from `0.0..1.0`. `None` if the attempt would
    /// be after `expires_at`: the delivery is exhausted.
    pub fn next_attempt(
        &self,
        failures: u32,
        now: Timestamp,
        expires_at: Timestamp,
        hint: Option<Duration>,
        jitter: f64,
    ) -> Option<Timestamp> {
        let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX).min(self.0.len() - 1);
        let wait = self.0[index].mul_f64(1.0 + MAX_JITTER * jitter.clamp(0.0, 1.0));
        let wait = wait.max(hint.unwrap_or_default().min(MAX_HINT));
        let due = now.checked_add(wait).ok()?;
        (due <= expires_at).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_last_delay_repeats() {
        let schedule = RetrySchedule::new(vec![Duration::from_secs(1), Duration::from_secs(5)]).unwrap();
        for (failures, expected) in [(1, 1), (2, 5), (3, 5), (1000, 5)] {
            assert_eq!(schedule.next_attempt(failures, at(0), at(100), None, 0.0), Some(at(expected)));
        }
    }

    #[test]
    fn retry_after_lengthens_the_delay_up_to_an_hour() {
        let schedule = RetrySchedule::new(vec![Duration::from_secs(10)]).unwrap();
        for (hint, expected) in [(3, 10), (30, 30), (86_400, 3_600)] {
            let due = schedule.next_attempt(1, at(0), at(1_000_000), Some(Duration::from_secs(hint)), 0.0);
            assert_eq!(due, Some(at(expected)), "Retry-After: {hint}");
        }
    }

    #[test]
    fn jitter_lengthens_a_delay_by_at_most_a_fifth() {
        let schedule = RetrySchedule::new(vec![Duration::from_secs(10)]).unwrap();
        for (jitter, expected) in [(0.0, 10), (0.5, 11), (1.0, 12), (7.0, 12), (-1.0, 10)] {
            assert_eq!(
                schedule.next_attempt(1, at(0), at(100), None, jitter),
                Some(at(expected)),
                "{jitter}"
            );
        }
    }

    #[test]
    fn no_attempt_is_due_after_the_delivery_expires() {
        let schedule = RetrySchedule::new(vec![Duration::from_secs(10)]).unwrap();
        for (expires_at, expected) in [(9, None), (10, Some(at(10))), (11, Some(at(10)))] {
            assert_eq!(schedule.next_attempt(1, at(0), at(expires_at), None, 0.0), expected, "{expires_at}");
        }
        // Nor if the due time would be out of range.
        assert_eq!(schedule.next_attempt(1, Timestamp::MAX, Timestamp::MAX, None, 0.0), None);
    }

    proptest! {
        #[test]
        fn every_delay_is_between_the_schedule_and_a_fifth_more(
            waits in prop::collection::vec(1_u64..10_000_000, 1..12),
            failures in 1_u32..40,
            jitter in 0.0_f64..1.0,
        ) {
            let waits: Vec<_> = waits.into_iter().map(Duration::from_millis).collect();
            let planned = waits[(failures as usize - 1).min(waits.len() - 1)];
            let due = RetrySchedule::new(waits).unwrap()
                .next_attempt(failures, at(0), at(1_000_000_000), None, jitter).unwrap();
            let wait = due.duration_since(at(0)).unsigned_abs();
            prop_assert!(wait >= planned, "{wait:?} < {planned:?}");
            prop_assert!(wait <= planned.mul_f64(1.2) + Duration::from_nanos(1), "{wait:?}");
        }

        #[test]
        fn no_attempt_is_due_after_the_expiry_with_any_input(
            wait in 1_u64..1_000, age in 0_i64..1_000, hint in prop::option::of(0_u64..10_000), jitter in 0.0_f64..1.0,
        ) {
            let schedule = RetrySchedule::new(vec![Duration::from_secs(wait)]).unwrap();
            let due = schedule.next_attempt(1, at(0), at(age), hint.map(Duration::from_secs), jitter);
            prop_assert!(due.is_none_or(|due| due <= at(age)));
        }
    }
}
