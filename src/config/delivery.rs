//! `[delivery]`: timeouts, concurrency and retries.

use std::time::Duration;

use super::duration::{DAY, within};
use super::reader::Section;
use crate::domain::breaker::BreakerRules;

/// The most entries of `schedule`.
pub const MAX_SCHEDULE: usize = 50;

const MAX_CONCURRENCY: u32 = 10_000;

const MAX_BREAKER_FAILURES: u32 = 1_000;
const MAX_PAUSE: Duration = Duration::from_hours(1);

/// `[delivery]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The timeout of a whole attempt: DNS, connecting, TLS, headers and body. 5 seconds by default, from 100 ms to
    /// a minute.
    pub timeout: Duration,
    /// The most concurrent attempts; 512 by default, from 1 to 10,000.
    pub max_concurrency: u32,
    /// The most concurrent attempts to one client; 16 by default, from 1 to `max_concurrency`.
    pub max_concurrency_per_client: u32,
    /// The age at which a delivery is given up; 24 hours by default, from a second to 30 days.
    pub max_age: Duration,
    /// The delays between attempts, of which the last one repeats; 1 to 50 of 1 ms to 24 hours each.
    pub schedule: Vec<Duration>,
    /// `breaker_failures`: 20 by default, from 0 (never opens) to 1,000. `breaker_pause`: a second by default, from
    /// 100 ms to an hour. `breaker_max_pause`: a minute by default, from `breaker_pause` to an hour.
    pub breaker: BreakerRules,
}

impl Delivery {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let timeout = within(Duration::from_millis(100), Duration::from_mins(1));
        let max_age = within(Duration::from_secs(1), 30 * DAY);
        let wait = within(Duration::from_millis(1), DAY);
        let max_concurrency =
            section.optional("max_concurrency", |value| value.integer(1, MAX_CONCURRENCY)).unwrap_or(512);
        let pause = within(Duration::from_millis(100), MAX_PAUSE);
        let breaker_pause = section.optional("breaker_pause", pause).unwrap_or(Duration::from_secs(1));
        let delivery = Self {
            timeout: section.optional("timeout", timeout).unwrap_or(Duration::from_secs(5)),
            max_concurrency,
            max_concurrency_per_client: section
                .optional("max_concurrency_per_client", |value| value.integer(1, max_concurrency))
                .unwrap_or(16.min(max_concurrency)),
            max_age: section.optional("max_age", max_age).unwrap_or(DAY),
            schedule: section.list("schedule", wait).unwrap_or_else(default_schedule),
            breaker: BreakerRules {
                failures: section
                    .optional("breaker_failures", |value| value.integer(0, MAX_BREAKER_FAILURES))
                    .unwrap_or(20),
                pause: breaker_pause,
                max_pause: section
                    .optional("breaker_max_pause", within(breaker_pause, MAX_PAUSE))
                    .unwrap_or(Duration::from_mins(1).max(breaker_pause)),
            },
        };
        if delivery.schedule.is_empty() {
            section.problem("schedule", "must have at least one wait, such as \"1s\"");
        }
        if delivery.schedule.len() > MAX_SCHEDULE {
            let entries = delivery.schedule.len();
            section.problem("schedule", format!("must have at most {MAX_SCHEDULE} waits, and has {entries}"));
        }
        delivery
    }
}

fn default_schedule() -> Vec<Duration> {
    [1, 5, 30, 2 * 60, 10 * 60, 30 * 60, 3600, 2 * 3600, 4 * 3600].map(Duration::from_secs).to_vec()
}
