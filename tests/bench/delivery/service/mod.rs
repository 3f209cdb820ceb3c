//! The service under measurement: its configuration, its process, and a look into its store.

mod process;
pub mod sessions;
mod setup;
mod store;

pub use process::{Memory, Service};
pub use setup::{Party, Setup};
pub use store::StoreView;

/// The API token of the bench's services.
pub const TOKEN: &str = "a-bootstrap-token-for-the-bench";
