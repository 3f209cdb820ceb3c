//! Nothing is acknowledged, or sent, before it is durable: with a store whose commits fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use logoutd::domain::ids::{ClientId, Sub};
use logoutd::domain::plan::{Command, Precondition, Registration, WaitingSubjects};
use logoutd::domain::receipt::Receipt;
use logoutd::domain::session::{EndNumber, SessionKey, SubjectEnd};
use logoutd::entropy::{Entropy, SystemEntropy};
use logoutd::intake::{AcceptError, CommandError, Handoff, Reserved};
use logoutd::storage::sqlite::SqliteStore;
use logoutd::storage::{
    AnswerKey, Changes, DeliveryReader as _, IntakeStore, IntakeTransaction, Known, Lease, LeasedDelivery,
    LeftToEnd, Part, Result, SessionReader as _, StorageError, Wanted,
};

use crate::support::app::Setup;
use crate::support::intake::{BareIntake, store_with_shop};
use crate::support::{ends, event};

/// SQLite, with commits that fail for as long as they are to.
struct Failing {
    store: SqliteStore,
    fails: AtomicBool,
}

struct FailingTransaction {
    inner: Box<dyn IntakeTransaction>,
    fails: bool,
}

#[async_trait]
impl IntakeStore for Failing {
    async fn begin(&self) -> Result<Box<dyn IntakeTransaction>> {
        let (inner, fails) = (self.store.begin().await?, self.fails.load(Ordering::Relaxed));
        Ok(Box::new(FailingTransaction { inner, fails }))
    }

    async fn answer(&self, key: &AnswerKey) -> Result<Option<Receipt>> {
        self.store.answer(key).await
    }

    async fn is_finished(&self, end: EndNumber) -> Result<bool> {
        self.store.is_finished(end).await
    }

    async fn parts(&self, end: EndNumber) -> Result<Part> {
        self.store.parts(end).await
    }
}

#[async_trait]
impl IntakeTransaction for FailingTransaction {
    async fn load(&mut self, wanted: &Wanted) -> Result<Known> {
        self.inner.load(wanted).await
    }

    async fn clients(&mut self, ids: &BTreeSet<ClientId>) -> Result<BTreeMap<ClientId, Registration>> {
        self.inner.clients(ids).await
    }

    async fn waiting_subjects(&mut self, subs: &BTreeSet<Sub>) -> Result<WaitingSubjects> {
        self.inner.waiting_subjects(subs).await
    }

    async fn unfinished_end(&mut self, after: EndNumber) -> Result<Option<SubjectEnd>> {
        self.inner.unfinished_end(after).await
    }

    async fn left_to_end(
        &mut self,
        end: &SubjectEnd,
        after: Option<SessionKey>,
        limit: u32,
    ) -> Result<LeftToEnd> {
        self.inner.left_to_end(end, after, limit).await
    }

    async fn store(&mut self, changes: &Changes<'_>, now: Timestamp) -> Result<()> {
        self.inner.store(changes, now).await
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        if self.fails {
            return Err(StorageError::Unavailable("the commit failed".into()));
        }
        self.inner.commit().await
    }
}

/// Has room for everything, and counts what is given to it.
#[derive(Clone, Default)]
struct Counting {
    started: Arc<AtomicUsize>,
    queued: Arc<Mutex<Vec<String>>>,
}

impl Handoff for Counting {
    fn reserve(&self, clients: &[&ClientId]) -> Box<dyn Reserved> {
        Box::new(Room { clients: clients.len(), started: Arc::clone(&self.started) })
    }

    fn queued(&self, clients: &[&ClientId]) {
        self.queued.lock().unwrap().extend(clients.iter().map(ToString::to_string));
    }
}

struct Room {
    clients: usize,
    started: Arc<AtomicUsize>,
}

impl Reserved for Room {
    fn leases(&self) -> Vec<Option<Lease>> {
        let entropy: &dyn Entropy = &SystemEntropy::new();
        let token = entropy.uuid_v4();
        vec![Some(Lease { token, until: Timestamp::now() + Duration::from_mins(1) }); self.clients]
    }

    fn start(self: Box<Self>, deliveries: Vec<LeasedDelivery>) {
        self.started.fetch_add(deliveries.len(), Ordering::Relaxed);
    }
}

#[tokio::test]
async fn what_could_not_be_committed_is_neither_acknowledged_nor_sent() {
    let setup = Setup::new();
    let store = store_with_shop(setup.folder.path()).await;
    let failing = Arc::new(Failing { store, fails: AtomicBool::new(true) });
    let handoff = Counting::default();
    let service = BareIntake::start(Arc::clone(&failing) as _, handoff.clone());

    let begin =
        event("session.created", serde_json::json!({"sid": "s-1", "sub": "alice", "clients": ["shop"]}));
    let end = ends("s-1", &["shop"]);
    let sid = "s-1".parse().unwrap();
    assert_eq!(service.accept_all(std::slice::from_ref(&begin)).await.unwrap_err(), AcceptError::Unavailable);
    let both = [begin.clone(), end];
    assert_eq!(service.accept_all(&both).await.unwrap_err(), AcceptError::Unavailable);
    assert_eq!(failing.store.session(&sid).await.unwrap(), None);
    assert_eq!(handoff.started.load(Ordering::Relaxed), 0, "sent, and nothing says that it is to be");
    assert!(handoff.queued.lock().unwrap().is_empty());

    failing.fails.store(false, Ordering::Relaxed);
    service.accept_all(std::slice::from_ref(&begin)).await.unwrap();
    failing.fails.store(true, Ordering::Relaxed);
    let target = logoutd::domain::event::Target::Session { sid: sid.clone(), sub: None };
    assert_eq!(
        service.intake.execute(Command::Revoke { target, precondition: Precondition::None }).await,
        Err(CommandError::Unavailable)
    );
    assert!(failing.store.session(&sid).await.unwrap().unwrap().ended.is_none());
    assert_eq!(handoff.started.load(Ordering::Relaxed), 0);

    // The same events again, when it works: nothing of them was kept, and now all of it is.
    failing.fails.store(false, Ordering::Relaxed);
    let accepted = service.accept_all(&both).await.unwrap();
    assert_eq!(accepted.iter().map(|it| it.duplicate).collect::<Vec<_>>(), [true, false]);
    assert_eq!(handoff.started.load(Ordering::Relaxed), 1);
    let id = accepted[1].receipt.deliveries[0].id;
    assert!(failing.store.delivery(id).await.unwrap().is_some());
    service.stop().await;
}
