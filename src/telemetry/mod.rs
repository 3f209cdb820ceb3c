//! What logoutd says about itself: log lines, for people or as JSON.
//!
//! Lines stand alone, with fields; they never hold tokens, secrets, `sub` or metadata values.

mod logging;

pub use logging::{check, init};
