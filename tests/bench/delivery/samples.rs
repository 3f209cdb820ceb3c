//! What is done with times: they are taken, and summed up exactly.

use std::time::Duration;

use logoutd::clock::{Clock as _, SystemClock};
use serde::Serialize;

/// The system's clock, in microseconds: all processes of the bench share it.
pub fn now_micros() -> i64 {
    SystemClock.now().as_microsecond()
}

/// How long something took, over many times.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    pub samples: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Latency {
    /// Of these, in microseconds; `None` of none.
    pub fn of(mut micros: Vec<i64>) -> Option<Self> {
        micros.sort_unstable();
        let max = *micros.last()?;
        Some(Self {
            samples: micros.len(),
            p50_ms: millis(nearest_rank(&micros, 50)),
            p99_ms: millis(nearest_rank(&micros, 99)),
            max_ms: millis(max),
        })
    }
}

/// Microseconds, not negative, as milliseconds.
pub fn millis(micros: i64) -> f64 {
    Duration::from_micros(micros.max(0).unsigned_abs()).as_secs_f64() * 1e3
}

/// The smallest sample that so many percent are not above.
fn nearest_rank(sorted: &[i64], percent: usize) -> i64 {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

/// The middle one of an odd number of values, the upper middle of an even one.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The mean; of nothing it is no number.
pub fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (count, sum) = values.into_iter().fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    sum / count
}
