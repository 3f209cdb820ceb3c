//! Who may do what.

mod scope;

pub use scope::{Scope, UnknownScope};
