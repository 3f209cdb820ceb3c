//! Delivery: lease what is due, attempt it, settle what came of it.
//!
//! The [`Dispatcher`] holds a bounded window over an unbounded queue; the store is the only memory of what
//! is to be done, so that a crash at any instant loses nothing. New deliveries for which there is room are
//! leased in the transaction that stores them and handed straight to the [`Runner`]. Nothing here knows SQL
//! or HTTP's server side.

mod attempt;
mod dispatcher;
mod gauges;
mod maintenance;
mod probe;
mod redelivery;
mod runner;
mod scheduler;
mod settler;
mod waiting;

pub use attempt::{Attempter, AttempterConfig};
pub use dispatcher::{Dispatcher, DispatcherConfig};
pub use gauges::Gauges;
pub use probe::{ProbeError, Probed, Prober};
pub use redelivery::Redelivery;
pub use runner::{Reservation, Runner};
pub use settler::Settler;
pub use waiting::{Waiting, states};
