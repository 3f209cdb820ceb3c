//! SQLite: a file in a folder of its own.

use std::future::{Future, ready};
use std::sync::Arc;

use async_trait::async_trait;
use logoutd::storage::Storage;
use logoutd::storage::sqlite::SqliteStore;
use tempfile::TempDir;

use super::TestStore;

struct Folder(TempDir);

/// An empty store.
pub fn empty() -> impl Future<Output = Box<dyn TestStore>> {
    let store: Box<dyn TestStore> = Box::new(Folder(tempfile::tempdir().unwrap()));
    ready(store)
}

#[async_trait]
impl TestStore for Folder {
    async fn open(&self) -> Arc<dyn Storage> {
        let url = format!("sqlite://{}/store.db", self.0.path().display());
        Arc::new(SqliteStore::open(&url).await.unwrap())
    }
}
