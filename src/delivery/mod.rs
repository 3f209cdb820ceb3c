//! Delivery: leases what is due, attempts it, and settles the results.
//!
//! The store has the queue, so that a crash at any instant loses nothing. What this process holds of it is bounded.
//!
//! ```text
//! intake ──▶ runner ◀── dispatcher ◀── scheduler      which deliveries, how many at a time
//!              │             ▲
//!           attempt          └ store: lease
//!              │
//!           settler ──▶ store: result, next attempt
//! ```
//!
//! - `scheduler/` decides what is attempted next; its documentation explains the model.
//! - The [`Dispatcher`] leases what the scheduler has planned, and the [`Runner`] runs a task for each attempt. New
//!   deliveries that get a slot are leased in the transaction that stores them, and go straight to the runner.
//! - `attempt/` is one attempt: mint, sign, send, classify.
//! - The [`Settler`] stores results in groups.
//! - `maintenance` extends and reclaims leases, and ends what is too old. [`Redelivery`] requeues dead letters.
//! - [`Waiting`] is for requests that wait for final states, [`Gauges`] are for metrics, and the [`Prober`] sends test
//!   deliveries.
//!
//! Nothing here knows SQL or the HTTP server.

mod attempt;
mod dispatcher;
mod gauges;
mod handoff;
mod listener;
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
