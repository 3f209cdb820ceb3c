//! Work that grows with the number of rows is done in pieces, so that other writers get in between.

use std::collections::BTreeMap;

use logoutd::domain::delivery::{Attempt, Verdict};
use logoutd::domain::ids::ClientId;
use logoutd::storage::{Changes, Lease, Settlement, Storage};
use uuid::Uuid;

use crate::backends::TestStore;
use crate::samples::{client, intent, later, now};

const WAITING: u128 = 2_500;

async fn waiting(store: &dyn Storage) -> u64 {
    store.depths().await.unwrap().iter().map(|depth| depth.pending).sum()
}

pub async fn pending_deliveries_of_an_unsubscribed_client_are_discarded_in_pieces(backend: &dyn TestStore) {
    let store = backend.open().await;
    let client_id: ClientId = "shop".parse().unwrap();
    store.replace_file_clients(&[client(&client_id)], now()).await.unwrap();

    let lease = Lease { token: Uuid::from_u128(1), until: later(10) };
    let intents: Vec<_> = (1..=WAITING + 1).map(|number| intent(number, &client_id)).collect();
    let leased = |(index, intent)| (intent, (index == 0).then_some(lease));
    let changes =
        Changes { deliveries: intents.iter().enumerate().map(leased).collect(), ..Changes::default() };
    let mut transaction = store.begin().await.unwrap();
    transaction.store(&changes, now()).await.unwrap();
    transaction.commit().await.unwrap();

    let attempt =
        Attempt { status: Some(410), error: Some("status_410".to_owned()), ..Attempt::begun(now()) };
    let gone = Settlement {
        id: intents[0].id,
        lease_token: lease.token,
        client_id,
        attempt,
        verdict: Verdict::Rejected,
        unsubscribe: true,
    };
    store.settle(&[gone], &BTreeMap::new(), now()).await.unwrap();
    let left = waiting(&*store).await;
    assert!(left > 0 && u128::from(left) < WAITING, "{left}");
    store.discard_left(now()).await.unwrap();
    assert_eq!(waiting(&*store).await, 0);
    store.close().await;
}
