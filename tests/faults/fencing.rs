//! Two processes on one store: whoever was paused past its lease cannot overwrite its successor.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Notify;

use crate::counting_rp::CountingRp;
use crate::source::Source;
use crate::support::app::{Setup, states};
use crate::support::process::Serve;
use crate::support::{ends, eventually};

/// How long the first process has to come back to its senses, and overwrite what it should not.
const AFTERMATH: Duration = Duration::from_secs(4);

/// Two services on one store, and a relying party that holds its first answer back until it is told, and
/// then refuses for good. The second request is a success.
struct Pair {
    setup: Setup,
    rp: CountingRp,
    refuse: Arc<Notify>,
    source: Source,
    event: Value,
    first: Serve,
    second: Serve,
}

impl Pair {
    /// Returns when the first process's attempt is under way, and the second process has left it alone.
    async fn start() -> Self {
        let refuse = Arc::new(Notify::new());
        let told = Arc::clone(&refuse);
        let rp = CountingRp::start(move |heard| {
            let told = Arc::clone(&told);
            async move {
                // Those that the tests make up beside the contested one have paths of their own.
                if heard.client == "shop" && heard.number == 1 {
                    told.notified().await;
                    return 400;
                }
                200
            }
        })
        .await;
        let setup = Setup::new()
            .with("[delivery]\ntimeout = \"8s\"")
            .client("shop", &rp.uri("shop"), "")
            .client("blog", &rp.uri("blog"), "");
        let path = setup.write();
        let (source, event) = (Source::new(), ends("s-1", &["shop"]));

        let first = Serve::start(&path);
        let reply = source.report(&first.server, &event, 0).await.unwrap();
        assert_eq!(reply.status, 202, "{}", reply.body);
        eventually(async || (rp.count("shop", "s-1") == 1).then_some(())).await;
        let second = Serve::start(&path);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(rp.count("shop", "s-1"), 1, "the second process took what the first one is at");
        Self { setup, rp, refuse, source, event, first, second }
    }

    async fn states(&self, serve: &Serve, wait: u32) -> Vec<(String, String)> {
        let reply = self.source.report(&serve.server, &self.event, wait).await.unwrap();
        assert_eq!((reply.status, &reply.body["duplicate"]), (200, &Value::Bool(true)), "{}", reply.body);
        states(&reply.body)
    }

    /// Waits until the paused process's lease has run out and the second one has delivered.
    async fn assert_taken_over(&self) {
        eventually(async || (self.rp.count("shop", "s-1") == 2).then_some(())).await;
        assert_eq!(self.states(&self.second, 20).await, delivered());
    }

    /// Lets the first process go on, and asserts that what the second one recorded stands.
    async fn assert_stands_after_resuming(&self) {
        self.first.signal("CONT");
        tokio::time::sleep(AFTERMATH).await;
        assert_eq!(self.states(&self.first, 1).await, delivered());
        assert_eq!(self.states(&self.second, 1).await, delivered());
        assert_eq!(self.rp.count("shop", "s-1"), 2, "it was sent once more");
        // And the first one is of use again.
        let event = [ends("s-2", &["blog"])];
        self.source.assert_delivered(&self.first.server, &event, Duration::from_secs(30)).await;
    }
}

fn delivered() -> Vec<(String, String)> {
    vec![("shop".to_owned(), "delivered".to_owned())]
}

#[tokio::test]
async fn a_worker_paused_in_its_attempt_cannot_overwrite_its_successor() {
    let pair = Pair::start().await;
    pair.first.signal("STOP");
    // When it goes on it finds the refusal in its socket, and its deadline long past.
    pair.refuse.notify_one();
    pair.assert_taken_over().await;
    pair.assert_stands_after_resuming().await;
}

#[tokio::test]
async fn a_worker_paused_before_it_records_a_refusal_cannot_overwrite_its_successor() {
    let pair = Pair::start().await;
    // It reads the refusal, and waits for its turn to write it down.
    let lock = lock(&pair.setup).await;
    pair.refuse.notify_one();
    tokio::time::sleep(Duration::from_secs(1)).await;
    pair.first.signal("STOP");
    unlock(lock).await;
    pair.assert_taken_over().await;
    pair.assert_stands_after_resuming().await;
}

/// Takes the store's write lock.
async fn lock(setup: &Setup) -> SqliteConnection {
    let path = setup.folder.path().join("store.db");
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
    connection
}

async fn unlock(mut connection: SqliteConnection) {
    sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
