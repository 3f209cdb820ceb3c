//! Batches whose events are accepted independently of each other, as sources that acknowledge each message need it;
//! and the same batches all or nothing, as `POST /events` takes them.

use std::sync::Arc;

use logoutd::domain::ids::ClientId;
use logoutd::domain::plan::{Field, Refusal};
use logoutd::intake::{AcceptError, Accepted, BatchMode, Handoff, MAX_QUEUED, Reserved};
use logoutd::storage::sqlite::SqliteStore;
use logoutd::storage::{Lease, LeasedDelivery, SessionReader as _};
use serde_json::{Value, json};

use crate::support::app::Setup;
use crate::support::intake::{BareIntake, store_with_shop};
use crate::support::store_file::StoreFile;
use crate::support::{ends, event};

/// Attempts nothing: every delivery stays in the store.
struct NoSlots;

impl Handoff for NoSlots {
    fn reserve(&self, clients: &[&ClientId]) -> Box<dyn Reserved> {
        Box::new(NoneOf(clients.len()))
    }

    fn queued(&self, _clients: &[&ClientId]) {}
}

struct NoneOf(usize);

impl Reserved for NoneOf {
    fn leases(&self) -> Vec<Option<Lease>> {
        vec![None; self.0]
    }

    fn start(self: Box<Self>, deliveries: Vec<LeasedDelivery>) {
        assert!(deliveries.is_empty());
    }
}

struct Service {
    setup: Setup,
    store: Arc<SqliteStore>,
    intake: BareIntake,
}

impl Service {
    async fn start() -> Self {
        let setup = Setup::new();
        setup.write();
        let store = Arc::new(store_with_shop(setup.folder.path()).await);
        let intake = BareIntake::start(Arc::clone(&store) as _, NoSlots);
        Self { setup, store, intake }
    }

    /// Whether a session is known, and whether it has ended.
    async fn session(&self, sid: &str) -> Option<bool> {
        let session = self.store.session(&sid.parse().unwrap()).await.unwrap();
        session.map(|session| session.ended.is_some())
    }
}

fn created(sid: &str, clients: &[&str]) -> Value {
    event("session.created", json!({"sid": sid, "sub": "alice", "clients": clients}))
}

fn error(result: &Result<Accepted, AcceptError>) -> Option<AcceptError> {
    result.as_ref().err().cloned()
}

#[tokio::test]
async fn an_event_that_is_refused_stops_no_other() {
    let service = Service::start().await;
    let begin = created("s-1", &["shop"]);
    let mut reused = begin.clone();
    reused["data"]["sid"] = json!("s-3");
    let batch = [
        begin.clone(),
        ends("s-9", &[]),
        created("s-2", &["nobody"]),
        ends("s-1", &[]),
        begin.clone(),
        reused,
        created("s-4", &[]),
    ];

    // All or nothing, only the first event at fault has an error of its own.
    let results = service.intake.accept(&batch, BatchMode::AllOrNothing).await;
    let unknown_session = AcceptError::Refused(Refusal::UnknownSession);
    let mut expected = vec![Some(AcceptError::BatchRefused); batch.len()];
    expected[1] = Some(unknown_session.clone());
    assert_eq!(results.iter().map(error).collect::<Vec<_>>(), expected);
    for sid in ["s-1", "s-4"] {
        assert_eq!(service.session(sid).await, None);
    }

    let results = service.intake.accept(&batch, BatchMode::Independent).await;
    let unknown_client =
        Refusal::UnknownClient { field: Field::Clients, client_id: "nobody".parse().unwrap() };
    assert_eq!(
        results.iter().map(error).collect::<Vec<_>>(),
        [
            None,
            Some(unknown_session),
            Some(AcceptError::Refused(unknown_client)),
            None,
            None,
            Some(AcceptError::IdReused),
            None
        ]
    );
    let accepted: Vec<_> =
        results.iter().flatten().map(|it| (it.receipt.id.as_str(), it.duplicate)).collect();
    let id = |n: usize| batch[n]["id"].as_str().unwrap();
    assert_eq!(accepted, [(id(0), false), (id(3), false), (id(4), true), (id(6), false)]);
    // In their order: the end has the client that the event before it named.
    let deliveries = &results[3].as_ref().unwrap().receipt.deliveries;
    assert_eq!(deliveries.iter().map(|it| it.client_id.as_str()).collect::<Vec<_>>(), ["shop"]);
    assert_eq!(service.session("s-1").await, Some(true));
    assert_eq!(service.session("s-4").await, Some(false));
    assert_eq!((service.session("s-2").await, service.session("s-3").await), (None, None));
    service.intake.stop().await;
}

#[tokio::test]
async fn an_event_about_a_row_that_cannot_be_read_stops_no_other() {
    let service = Service::start().await;
    service.intake.accept_all(&[created("s-1", &[])]).await.unwrap();
    let store = StoreFile::of(&service.setup);
    store.spoil("UPDATE sessions SET participants = '[1]' WHERE sid = 's-1'").await;

    let batch = || [created("s-2", &["shop"]), ends("s-1", &["shop"]), ends("s-2", &[])];
    let unreadable = Some(AcceptError::Unreadable);
    let results = service.intake.accept(&batch(), BatchMode::AllOrNothing).await;
    assert_eq!(
        results.iter().map(error).collect::<Vec<_>>(),
        [unreadable.clone(), unreadable.clone(), unreadable.clone()]
    );
    assert_eq!(service.session("s-2").await, None);

    let results = service.intake.accept(&batch(), BatchMode::Independent).await;
    assert_eq!(results.iter().map(error).collect::<Vec<_>>(), [None, unreadable, None]);
    assert_eq!(service.session("s-2").await, Some(true));
    service.intake.stop().await;
}

#[tokio::test]
async fn a_batch_that_does_not_fit_into_the_queue_is_not_accepted_in_part() {
    let service = Service::start().await;
    let batch: Vec<_> = (0..=MAX_QUEUED).map(|n| created(&format!("s-{n}"), &[])).collect();
    let results = service.intake.accept(&batch, BatchMode::Independent).await;
    assert_eq!(results.len(), batch.len());
    assert!(results.iter().all(|result| error(result) == Some(AcceptError::Busy)));
    assert_eq!(service.session("s-0").await, None);

    let results = service.intake.accept(&batch[..300], BatchMode::Independent).await;
    assert!(results.iter().all(Result::is_ok) && results.len() == 300);
    assert_eq!((service.session("s-299").await, service.session("s-300").await), (Some(false), None));
    assert_eq!(service.intake.accept(&[], BatchMode::Independent).await.len(), 0);
    service.intake.stop().await;
}
