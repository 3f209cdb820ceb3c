//! What a running part takes from its surroundings: the time, randomness and the metrics, in one value.
//!
//! [`app`](crate::app) makes one and hands it to each part, so that a part that begins to need another of them keeps
//! its constructor. Pure code takes a time or an id as an argument instead.

use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::{Clock, SystemClock};
use crate::entropy::{Entropy, SystemEntropy};
use crate::telemetry::Metrics;

/// Clock, entropy and metrics. Clones share them.
#[derive(Clone)]
pub struct Ambient {
    /// The current time.
    pub clock: Arc<dyn Clock>,
    /// Ids, lease tokens and jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Prometheus metrics.
    pub metrics: Arc<Metrics>,
}

impl Ambient {
    /// The operating system's clock and random generator, with metrics of their own.
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::new()),
            metrics: Arc::new(Metrics::new()),
        }
    }

    /// The current instant, UTC.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
