//! The intake's transactions: all or nothing, and serializable.

use std::sync::Arc;

use logoutd::domain::ids::Sid;
use logoutd::storage::{Changes, Result, Storage, StorageError, Wanted};
use tokio::task::JoinSet;

use crate::backends::TestStore;
use crate::samples::{live_session, now};

const WRITERS: u64 = 4;
const UPDATES: u64 = 10;

fn sid() -> Sid {
    "s-1".parse().unwrap()
}

pub async fn a_transaction_without_a_commit_changes_nothing(backend: &dyn TestStore) {
    let opened = backend.open().await;
    let session = live_session(&sid());
    let changes = Changes { sessions: vec![&session], ..Changes::default() };
    let mut transaction = opened.begin().await.unwrap();
    transaction.store(&changes, now()).await.unwrap();
    drop(transaction);
    assert_eq!(opened.session(&sid()).await.unwrap(), None);

    // What was rolled back is in no other transaction's way.
    let mut transaction = opened.begin().await.unwrap();
    transaction.store(&changes, now()).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(opened.session(&sid()).await.unwrap(), Some(session));
    opened.close().await;
}

/// What a transaction read still holds when it commits, or it conflicts and is run again.
pub async fn concurrent_transactions_lose_no_update(backend: &dyn TestStore) {
    let opened = backend.open().await;
    let session = live_session(&sid());
    let mut transaction = opened.begin().await.unwrap();
    transaction.store(&Changes { sessions: vec![&session], ..Changes::default() }, now()).await.unwrap();
    transaction.commit().await.unwrap();

    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let store = Arc::clone(&opened);
        writers.spawn(async move {
            for _ in 0..UPDATES {
                while !is_updated(&*store).await {}
            }
        });
    }
    writers.join_all().await;
    let session = opened.session(&sid()).await.unwrap().unwrap();
    assert_eq!(session.revision, WRITERS * UPDATES);
    opened.close().await;
}

/// Whether an update was committed: `false` if it conflicted with another one.
async fn is_updated(store: &dyn Storage) -> bool {
    match update(store).await {
        Ok(()) => true,
        Err(StorageError::Conflict(_)) => false,
        Err(error) => panic!("{error:?}"),
    }
}

async fn update(store: &dyn Storage) -> Result<()> {
    let mut transaction = store.begin().await?;
    let wanted = Wanted { sids: [sid()].into(), ..Wanted::default() };
    let mut session = transaction.load(&wanted).await?.sessions.remove(0).session;
    session.revision += 1;
    transaction.store(&Changes { sessions: vec![&session], ..Changes::default() }, now()).await?;
    transaction.commit().await
}
