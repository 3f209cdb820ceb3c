//! Work that grows with what is stored is done a piece at a time, so that other writers get their turns.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use logoutd::domain::client::Client;
use logoutd::domain::delivery::{Attempt, Intent, Phases, Verdict};
use logoutd::domain::ids::{ClientId, DeliveryId};
use logoutd::domain::initiator::Initiator;
use logoutd::domain::metadata::SessionMetadata;
use logoutd::storage::{Changes, Lease, Settlement, Storage};
use uuid::Uuid;

use crate::sqlite;

const WAITING: u128 = 2_500;

fn intent(n: u128, client_id: &ClientId, now: Timestamp) -> Intent {
    Intent {
        id: DeliveryId(Uuid::from_u128(n + 1)),
        session_key: None,
        sid: Some("s-1".parse().unwrap()),
        sub: None,
        sub_is_public: false,
        client_id: client_id.clone(),
        initiator: Initiator::RpLogout,
        session_metadata: SessionMetadata::default(),
        created_at: now,
        expires_at: now + Duration::from_hours(1),
    }
}

async fn waiting(store: &dyn Storage) -> u64 {
    store.depths().await.unwrap().iter().map(|depth| depth.pending).sum()
}

#[tokio::test]
async fn what_waits_for_a_client_that_unsubscribes_is_discarded_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path().to_owned()).await;
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let client_id: ClientId = "shop".parse().unwrap();
    let uri = Some("https://rp.example.com/".parse().unwrap());
    let client = Client { backchannel_logout_uri: uri, ..Client::new(client_id.clone()) };
    store.replace_file_clients(&[client], now).await.unwrap();

    let lease = Lease { token: Uuid::from_u128(1), until: now + Duration::from_secs(10) };
    let intents: Vec<_> = (0..=WAITING).map(|n| intent(n, &client_id, now)).collect();
    let leased = |(n, intent)| (intent, (n == 0).then_some(lease));
    let changes =
        Changes { deliveries: intents.iter().enumerate().map(leased).collect(), ..Changes::default() };
    let mut transaction = store.begin().await.unwrap();
    transaction.store(&changes, now).await.unwrap();
    transaction.commit().await.unwrap();

    let attempt = Attempt {
        started_at: now,
        duration: Duration::ZERO,
        phases: Phases::default(),
        jti: None,
        kid: None,
        uri: None,
        remote_address: None,
        status: Some(410),
        error: Some("status_410".to_owned()),
        answer: None,
        outcome_unknown: false,
    };
    let gone = Settlement {
        id: intents[0].id,
        lease_token: lease.token,
        client_id,
        attempt,
        verdict: Verdict::Rejected,
        unsubscribe: true,
    };
    store.settle(&[gone], &BTreeMap::new(), now).await.unwrap();
    let left = waiting(&*store).await;
    assert!(left > 0 && u128::from(left) < WAITING, "{left}");
    store.discard_left(now).await.unwrap();
    assert_eq!(waiting(&*store).await, 0);
    store.close().await;
}
