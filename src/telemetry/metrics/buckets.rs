//! The buckets of the histograms.

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// 10 µs to 80 ms.
pub(super) fn microseconds() -> Histogram {
    Histogram::new(exponential_buckets(1e-5, 2.0, 14))
}

/// 250 µs to 65 s.
pub(super) fn milliseconds() -> Histogram {
    Histogram::new(exponential_buckets(2.5e-4, 2.0, 19))
}

/// A millisecond to about three days.
pub(super) fn days() -> Histogram {
    Histogram::new(exponential_buckets(1e-3, 4.0, 15))
}

/// 1 to 1024 items.
pub(super) fn counts() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 11))
}
