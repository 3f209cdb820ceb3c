//! The storage suite: what every backend must do, against a model of the queue in memory.
//!
//! A backend is a function that opens a store in a folder; opening it again is what a crash leads to.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(unreachable_pub, reason = "the suite is one crate, nothing of it is exported")]

mod machine;
mod model;
mod pieces;
mod steps;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use logoutd::storage::Storage;
use logoutd::storage::sqlite::SqliteStore;
use proptest::prelude::*;

use machine::Machine;
use steps::{Step, step};

/// Opens the store in a folder.
type Open = fn(PathBuf) -> Pin<Box<dyn Future<Output = Arc<dyn Storage>>>>;

fn sqlite(folder: PathBuf) -> Pin<Box<dyn Future<Output = Arc<dyn Storage>>>> {
    Box::pin(async move {
        let url = format!("sqlite://{}/store.db", folder.display());
        Arc::new(SqliteStore::open(&url).await.unwrap()) as Arc<dyn Storage>
    })
}

/// Takes the steps in a store and in the model, and compares all that can be seen after each.
fn run(open: Open, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let mut machine = Machine::start(open, folder.path().to_owned()).await;
        for step in steps {
            machine.take(step).await;
            machine.compare(step).await;
        }
        machine.settle_everything().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_keeps_to_the_model(steps in prop::collection::vec(step(), 1..60)) {
        run(sqlite, &steps);
    }
}
