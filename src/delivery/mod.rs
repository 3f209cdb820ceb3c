//! Delivery: lease what is due, attempt it, settle what came of it.
//!
//! The [`Dispatcher`] holds a bounded window over an unbounded queue; the store is the only memory of what
//! is to be done, so that a crash at any instant loses nothing. Nothing here knows SQL or HTTP's server
//! side.

mod attempt;
mod dispatcher;
mod outcome;
mod settler;
mod shares;
mod waiting;

pub use attempt::{Attempter, AttempterConfig};
pub use dispatcher::{Dispatcher, DispatcherConfig};
pub use settler::Settler;
pub use waiting::Waiting;
