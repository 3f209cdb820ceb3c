//! Intake over a store, without the service around it: for what no route asks of it.

use std::sync::Arc;
use std::time::Duration;

use logoutd::ambient::Ambient;
use logoutd::domain::access::{Caller, Reporter};
use logoutd::domain::client::Client;
use logoutd::domain::initiator::Initiators;
use logoutd::domain::metadata::sensitive::SensitivePolicy;
use logoutd::domain::pairwise::Subjects;
use logoutd::domain::session::Lifetimes;
use logoutd::intake::{
    AcceptError, Accepted, BatchMode, Handoff, Intake, MetadataGuard, WriterConfig, all_accepted,
};
use logoutd::sources::cloudevents::parse_structured;
use logoutd::storage::sqlite::SqliteStore;
use logoutd::storage::{ClientStore as _, IntakeStore};
use serde_json::Value;
use tokio::task::JoinHandle;

/// An intake whose writer runs.
pub struct BareIntake {
    pub intake: Intake,
    writer: JoinHandle<()>,
}

impl BareIntake {
    pub fn start(store: Arc<dyn IntakeStore>, handoff: impl Handoff) -> Self {
        let ambient = Ambient::system();
        let (intake, writer) = Intake::new(WriterConfig {
            store,
            max_age: Duration::from_hours(1),
            lifetimes: Lifetimes::default(),
            handoff: Box::new(handoff),
            subjects: Arc::new(Subjects::default()),
            guard: Arc::new(MetadataGuard::new(SensitivePolicy::Warn, Arc::clone(&ambient.metrics))),
            ambient,
        });
        Self { intake, writer: tokio::spawn(writer.run()) }
    }

    /// Reports events; the result of each is at its place.
    pub async fn accept(&self, events: &[Value], mode: BatchMode) -> Vec<Result<Accepted, AcceptError>> {
        let events = events.iter().map(|event| parse_structured(event.to_string().as_bytes()).unwrap());
        let reporter = Reporter::of(&Caller::Bootstrap);
        let memory = self.intake.reserve_memory(&reporter, 1_000).await.unwrap();
        self.intake.accept(&reporter, events.collect(), mode, memory).await
    }

    /// Reports events, all or nothing.
    pub async fn accept_all(&self, events: &[Value]) -> Result<Vec<Accepted>, AcceptError> {
        let results = self.accept(events, BatchMode::AllOrNothing).await;
        all_accepted(results).map_err(|(_, error)| error)
    }

    pub async fn stop(self) {
        drop(self.intake);
        self.writer.await.unwrap();
    }
}

/// A store in this folder, with the client `shop`, which is subscribed to all initiators.
pub async fn store_with_shop(folder: &std::path::Path) -> SqliteStore {
    let store = SqliteStore::open(&format!("sqlite://{}", folder.join("store.db").display())).await.unwrap();
    let client = Client {
        backchannel_logout_uri: Some("https://shop.example.com/".parse().unwrap()),
        initiators: Initiators::All,
        ..Client::new("shop".parse().unwrap())
    };
    store.create_client(&client, jiff::Timestamp::now()).await.unwrap();
    store
}
