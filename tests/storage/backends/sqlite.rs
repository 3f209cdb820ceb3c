//! SQLite: a file in a folder of its own.

use std::sync::Arc;

use async_trait::async_trait;
use logoutd::storage::Storage;
use logoutd::storage::sqlite::SqliteStore;
use tempfile::TempDir;

use super::TestStore;

struct Folder(TempDir);

/// An empty store.
pub async fn empty() -> Box<dyn TestStore> {
    Box::new(Folder(tempfile::tempdir().unwrap()))
}

#[async_trait]
impl TestStore for Folder {
    async fn open(&self) -> Arc<dyn Storage> {
        let url = format!("sqlite://{}/store.db", self.0.path().display());
        Arc::new(SqliteStore::open(&url).await.unwrap())
    }
}
