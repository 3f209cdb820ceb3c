//! Nothing is acknowledged, or sent, before it is durable: with a store whose commits fail or conflict.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use logoutd::domain::delivery::DeliveryFilter;
use logoutd::domain::event::Target;
use logoutd::domain::ids::{ClientId, Sid, Sub};
use logoutd::domain::initiator::Initiator;
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
use serde_json::{Value, json};

use crate::support::app::Setup;
use crate::support::intake::{BareIntake, store_with_shop};
use crate::support::{ends, event};

/// What another process does between a transaction's reads and its commit.
type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a commit comes to.
enum Commit {
    Succeeds,
    Fails,
    /// Another process got ahead of this one transaction.
    ConflictsOnce(Meanwhile),
    AlwaysConflicts,
}

/// SQLite, with commits that fail or conflict for as long as they are to.
struct Failing {
    store: SqliteStore,
    commit: Arc<Mutex<Commit>>,
    commits: Arc<AtomicUsize>,
}

impl Failing {
    fn new(store: SqliteStore) -> Self {
        Self { store, commit: Arc::new(Mutex::new(Commit::Succeeds)), commits: Arc::default() }
    }

    fn commits(&self, commit: Commit) {
        *self.commit.lock().unwrap() = commit;
    }

    /// How many commits there were, whatever they came to.
    fn commits_so_far(&self) -> usize {
        self.commits.load(Ordering::Relaxed)
    }
}

struct FailingTransaction {
    inner: Box<dyn IntakeTransaction>,
    commit: Arc<Mutex<Commit>>,
    commits: Arc<AtomicUsize>,
}

#[async_trait]
impl IntakeStore for Failing {
    async fn begin(&self) -> Result<Box<dyn IntakeTransaction>> {
        let inner = self.store.begin().await?;
        let (commit, commits) = (Arc::clone(&self.commit), Arc::clone(&self.commits));
        Ok(Box::new(FailingTransaction { inner, commit, commits }))
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
        self.commits.fetch_add(1, Ordering::Relaxed);
        match self.take_commit() {
            Commit::Succeeds => self.inner.commit().await,
            Commit::Fails => Err(StorageError::Unavailable("the commit failed".into())),
            Commit::AlwaysConflicts => Err(StorageError::Conflict("another process wrote".into())),
            Commit::ConflictsOnce(meanwhile) => {
                // SQLite takes one writer at a time: this one's transaction has to be over.
                drop(self.inner);
                meanwhile.await;
                Err(StorageError::Conflict("another process wrote".into()))
            }
        }
    }
}

impl FailingTransaction {
    fn take_commit(&self) -> Commit {
        let mut commit = self.commit.lock().unwrap();
        match &*commit {
            Commit::Succeeds => Commit::Succeeds,
            Commit::Fails => Commit::Fails,
            Commit::AlwaysConflicts => Commit::AlwaysConflicts,
            Commit::ConflictsOnce(_) => std::mem::replace(&mut *commit, Commit::Succeeds),
        }
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

/// An intake over a store, and what became of its deliveries.
struct Service {
    intake: BareIntake,
    handoff: Counting,
}

impl Service {
    fn over(store: Arc<dyn IntakeStore>) -> Self {
        let handoff = Counting::default();
        Self { intake: BareIntake::start(store, handoff.clone()), handoff }
    }

    /// How many deliveries were handed over to be attempted.
    fn started(&self) -> usize {
        self.handoff.started.load(Ordering::Relaxed)
    }
}

/// A store with one client, `shop`; the folder has to be kept.
async fn store() -> (Setup, Arc<Failing>) {
    let setup = Setup::new();
    let store = store_with_shop(setup.folder.path()).await;
    (setup, Arc::new(Failing::new(store)))
}

/// The beginning of the session `s-1` and its end, at the client `shop`.
fn begin_and_end() -> [Value; 2] {
    let begin = event("session.created", json!({"sid": "s-1", "sub": "alice", "clients": ["shop"]}));
    [begin, ends("s-1", &["shop"])]
}

fn revoke(sid: &Sid) -> Command {
    let target = Target::Session { sid: sid.clone(), sub: None };
    Command::Revoke { target, precondition: Precondition::None }
}

#[tokio::test]
async fn what_could_not_be_committed_is_neither_acknowledged_nor_sent() {
    let (_setup, failing) = store().await;
    let service = Service::over(Arc::clone(&failing) as _);
    let [begin, end] = begin_and_end();
    let sid = "s-1".parse().unwrap();

    failing.commits(Commit::Fails);
    assert_eq!(
        service.intake.accept_all(std::slice::from_ref(&begin)).await.unwrap_err(),
        AcceptError::Unavailable
    );
    let both = [begin.clone(), end];
    assert_eq!(service.intake.accept_all(&both).await.unwrap_err(), AcceptError::Unavailable);
    assert_eq!(failing.store.session(&sid).await.unwrap(), None);
    assert_eq!(service.started(), 0, "sent, and nothing says that it is to be");
    assert!(service.handoff.queued.lock().unwrap().is_empty());

    failing.commits(Commit::Succeeds);
    service.intake.accept_all(&[begin]).await.unwrap();
    failing.commits(Commit::Fails);
    assert_eq!(service.intake.intake.execute(revoke(&sid)).await, Err(CommandError::Unavailable));
    assert!(failing.store.session(&sid).await.unwrap().unwrap().ended.is_none());
    assert_eq!(service.started(), 0);

    // The same events again, when it works: nothing of them was kept, and now all of it is.
    failing.commits(Commit::Succeeds);
    let accepted = service.intake.accept_all(&both).await.unwrap();
    assert_eq!(accepted.iter().map(|it| it.duplicate).collect::<Vec<_>>(), [true, false]);
    assert_eq!(service.started(), 1);
    let id = accepted[1].receipt.deliveries[0].id;
    assert!(failing.store.delivery(id).await.unwrap().is_some());
    service.intake.stop().await;
}

#[tokio::test]
async fn a_transaction_that_conflicts_is_run_again() {
    let (_setup, failing) = store().await;
    let service = Service::over(Arc::clone(&failing) as _);
    failing.commits(Commit::ConflictsOnce(Box::pin(async {})));
    let accepted = service.intake.accept_all(&begin_and_end()).await.unwrap();
    assert_eq!(accepted.iter().map(|it| it.duplicate).collect::<Vec<_>>(), [false, false]);
    assert_eq!(failing.commits_so_far(), 2);
    let id = accepted[1].receipt.deliveries[0].id;
    assert!(failing.store.delivery(id).await.unwrap().is_some());
    let all = failing.store.deliveries(&DeliveryFilter::default(), None, None, 10).await.unwrap();
    assert_eq!((all.deliveries.len(), service.started()), (1, 1));
    service.intake.stop().await;
}

#[tokio::test]
async fn after_a_conflict_the_plan_is_made_anew_of_what_the_other_process_stored() {
    let (_setup, failing) = store().await;
    let service = Service::over(Arc::clone(&failing) as _);
    let other = Arc::new(Service::over(Arc::new(failing.store.clone())));
    let sid: Sid = "s-1".parse().unwrap();
    let [begin, end] = begin_and_end();

    // Another process ends the session, for another reason, while this one plans the same.
    service.intake.accept_all(std::slice::from_ref(&begin)).await.unwrap();
    let (there, command) = (Arc::clone(&other), revoke(&sid));
    failing.commits(Commit::ConflictsOnce(Box::pin(async move {
        assert_eq!(there.intake.intake.execute(command).await.unwrap().deliveries.len(), 1);
    })));
    let accepted = service.intake.accept_all(&[end]).await.unwrap();
    let ended = failing.store.session(&sid).await.unwrap().unwrap().ended.unwrap();
    assert_eq!(ended.initiator, Initiator::SessionRevoked);
    // The other process made the client's delivery: it is in the answer, and there is no second one.
    assert_eq!(accepted[0].receipt.deliveries.len(), 1);
    let all = failing.store.deliveries(&DeliveryFilter::default(), None, None, 10).await.unwrap();
    assert_eq!(all.deliveries.len(), 1);
    assert_eq!((service.started(), other.started()), (0, 1));

    // Another process accepts the very event.
    let again = [ends("s-1", &["shop"])];
    let (there, same) = (Arc::clone(&other), again.clone());
    failing.commits(Commit::ConflictsOnce(Box::pin(async move {
        assert!(!there.intake.accept_all(&same).await.unwrap()[0].duplicate);
    })));
    assert!(service.intake.accept_all(&again).await.unwrap()[0].duplicate);
    service.intake.stop().await;
    Arc::into_inner(other).unwrap().intake.stop().await;
}

#[tokio::test]
async fn a_transaction_that_always_conflicts_is_answered_as_an_outage() {
    let (_setup, failing) = store().await;
    let service = Service::over(Arc::clone(&failing) as _);
    let sid: Sid = "s-1".parse().unwrap();
    let [begin, end] = begin_and_end();

    failing.commits(Commit::AlwaysConflicts);
    let both = [begin.clone(), end];
    assert_eq!(service.intake.accept_all(&both).await.unwrap_err(), AcceptError::Unavailable);
    let tries = failing.commits_so_far();
    assert!((2..=20).contains(&tries), "{tries}");
    assert_eq!(failing.store.session(&sid).await.unwrap(), None);
    assert_eq!(service.intake.intake.execute(revoke(&sid)).await, Err(CommandError::Unavailable));
    assert_eq!(service.started(), 0);
    assert!(service.handoff.queued.lock().unwrap().is_empty());

    failing.commits(Commit::Succeeds);
    let accepted = service.intake.accept_all(&both).await.unwrap();
    assert!(accepted.iter().all(|it| !it.duplicate));
    assert_eq!(service.started(), 1);
    service.intake.stop().await;
}
