//! The backends under test.

use std::sync::Arc;

use async_trait::async_trait;
use logoutd::storage::Storage;

pub mod sqlite;

/// A store of a backend, empty when it is made, and deleted when this is dropped.
#[async_trait]
pub trait TestStore: Send + Sync {
    /// Opens it as the service does when it starts. The suite opens it again after a simulated crash: the earlier
    /// handle is closed and dropped by then.
    async fn open(&self) -> Arc<dyn Storage>;
}
