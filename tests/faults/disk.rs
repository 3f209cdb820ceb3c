//! Disks that are full, or can only be read: sources are told to come back, what was acknowledged waits, and
//! all goes on by itself when the disk does.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::counting_rp::{CountingRp, Heard};
use crate::mount::Mount;
use crate::source::{Reply, Source};
use crate::support::app::Setup;
use crate::support::process::{Serve, logoutd};
use crate::support::{ends, eventually};

/// So many refusals of small events in a row, and the disk counts as full.
const REFUSALS: usize = 10;

/// How long everything may take to become final once the disk works again: leases have to run out first.
const PATIENCE: Duration = Duration::from_mins(1);

/// `shop` answers at once, `blog` refuses at first, `wiki` takes its time.
async fn answer(heard: Heard) -> u16 {
    if heard.client == "wiki" {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    if heard.client == "blog" && heard.number == 1 { 503 } else { 200 }
}

/// A service with its store on this file system. Its keys and its configuration are elsewhere.
fn setup(mount: &Mount, rp: &CountingRp) -> Setup {
    let store = format!("[store]\nurl = \"sqlite://{}/store.db\"", mount.path().display());
    ["shop", "blog", "wiki"]
        .iter()
        .fold(Setup::new().with(&store), |setup, client| setup.client(client, &rp.uri(client), ""))
}

fn small_event() -> Value {
    ends(&uuid::Uuid::new_v4().to_string(), &["shop", "blog", "wiki"])
}

/// With as much metadata as a session may have.
fn large_event() -> Value {
    let mut event = small_event();
    let pairs: Map<String, Value> = (0..25).map(|n| (format!("key-{n}"), json!("v".repeat(255)))).collect();
    event["data"]["session_metadata"] = Value::Object(pairs);
    event
}

/// A source in front of a service whose disk is failing: what it was told of each of its events.
struct Told {
    source: Source,
    acknowledged: Vec<Value>,
    refused: Vec<Value>,
}

impl Told {
    fn nothing() -> Self {
        Self { source: Source::new(), acknowledged: Vec::new(), refused: Vec::new() }
    }

    /// Reports an event, and returns whether it was acknowledged. Anything but that or the right refusal
    /// fails the test.
    async fn report(&mut self, serve: &Serve, event: Value) -> bool {
        let reply = self.source.report(&serve.server, &event, 0).await.unwrap();
        if reply.status == 202 {
            self.acknowledged.push(event);
            return true;
        }
        assert_store_unavailable(&reply);
        self.refused.push(event);
        false
    }

    async fn report_until_acknowledged(&mut self, serve: &Serve) {
        for _ in 0..600 {
            if self.report(serve, small_event()).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no event was accepted within 30 seconds");
    }

    /// Reports until there is no room for the smallest event.
    async fn fill_up(&mut self, serve: &Serve) {
        let mut refusals = 0;
        while refusals < REFUSALS {
            assert!(self.acknowledged.len() < 20_000, "the disk never fills up");
            let event = if refusals == 0 { large_event() } else { small_event() };
            refusals = if self.report(serve, event).await { 0 } else { refusals + 1 };
        }
    }

    /// Reports for as long as it takes the attempts under way to end with nowhere to write their outcome.
    /// The process lives, and says that it is not ready.
    async fn stay_refused(&mut self, serve: &Serve) {
        let mut readiness = BTreeSet::new();
        for _ in 0..20 {
            self.report(serve, small_event()).await;
            let status = async |path| self.source.status(&format!("{}{path}", serve.management)).await;
            assert_eq!(status("/livez").await.unwrap(), 200);
            readiness.insert(status("/readyz").await.unwrap());
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        assert!(readiness.contains(&503), "/readyz answers {readiness:?} while no event can be stored");
    }

    /// What was acknowledged is delivered, and of what was refused nothing had been stored.
    async fn assert_kept(&self, serve: &Serve, rp: &CountingRp) {
        self.source.assert_known(&serve.server, &self.acknowledged).await;
        self.source.assert_delivered(&serve.server, &self.acknowledged, PATIENCE).await;
        for event in &self.refused {
            assert!(!is_heard(rp, event), "it was refused, and sent: {event}");
            let reply = self.source.report(&serve.server, event, 0).await.unwrap();
            assert_eq!((reply.status, &reply.body["duplicate"]), (202, &json!(false)), "{}", reply.body);
        }
        self.source.assert_delivered(&serve.server, &self.refused, PATIENCE).await;
    }
}

fn is_heard(rp: &CountingRp, event: &Value) -> bool {
    let sid = event["data"]["sid"].as_str().unwrap();
    ["shop", "blog", "wiki"].iter().any(|client| rp.count(client, sid) > 0)
}

#[track_caller]
fn assert_store_unavailable(reply: &Reply) {
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert_eq!(reply.body["errorCode"], "store_unavailable", "{}", reply.body);
    let seconds = reply.retry_after.as_deref().and_then(|it| it.parse::<u32>().ok());
    assert!(seconds.is_some_and(|it| it > 0), "Retry-After: {:?}", reply.retry_after);
}

async fn assert_becomes_ready(source: &Source, serve: &Serve) {
    let url = format!("{}/readyz", serve.management);
    eventually(async || (source.status(&url).await.unwrap() == 200).then_some(())).await;
}

#[tokio::test]
async fn a_full_disk_turns_events_away_and_loses_none_that_was_acknowledged() {
    let mount = Mount::tmpfs("8m");
    let rp = CountingRp::start(answer).await;
    let setup = setup(&mount, &rp);
    let serve = Serve::start(&setup.write());
    let mut told = Told::nothing();
    told.fill_up(&serve).await;

    told.stay_refused(&serve).await;
    let while_full = (told.acknowledged.len(), told.refused.len());

    mount.remount("size=64m");
    told.report_until_acknowledged(&serve).await;
    assert_becomes_ready(&told.source, &serve).await;
    told.assert_kept(&serve, &rp).await;
    let (acknowledged, refused) = while_full;
    println!("disk: {acknowledged} events acknowledged until it was full, {refused} refused, none lost");
}

/// The kernel does not make a file system read-only while a file on it is open for writing, except by
/// itself, when the disk fails, and then for good. Files made immutable refuse every write in the same way,
/// and can be released. Not the index of the write-ahead log (`-shm`): it is memory shared between
/// processes, and no outcome depends on it.
fn set_read_only(mount: &Mount, read_only: bool) {
    for name in ["store.db", "store.db-wal", ""] {
        mount.set_immutable(name, read_only);
    }
}

#[tokio::test]
async fn a_disk_that_can_only_be_read_turns_events_away_and_what_is_under_way_is_not_lost() {
    let mount = Mount::ext4();
    let rp = CountingRp::start(answer).await;
    let setup = setup(&mount, &rp);
    let serve = Serve::start(&setup.write());
    let mut told = Told::nothing();
    for _ in 0..10 {
        assert!(told.report(&serve, small_event()).await);
    }
    // The slow one has its tokens, and its answers will find no place in the store.
    eventually(async || rp.heard().iter().any(|it| it.client == "wiki").then_some(())).await;
    set_read_only(&mount, true);

    told.stay_refused(&serve).await;
    assert_eq!(told.acknowledged.len(), 10, "acknowledged, and it cannot have been written");

    set_read_only(&mount, false);
    told.report_until_acknowledged(&serve).await;
    assert_becomes_ready(&told.source, &serve).await;
    told.assert_kept(&serve, &rp).await;
}

/// Starts the service where it cannot, and returns what it says.
fn fails_to_start(setup: &Setup) -> String {
    let mut command = logoutd();
    let mut child =
        command.args(["serve", "--config"]).arg(setup.write()).stderr(Stdio::piped()).spawn().unwrap();
    for _ in 0..600 {
        if child.try_wait().unwrap().is_some() {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{said}");
            return said;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    end(child);
    panic!("it did not end within 30 seconds");
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The error names the store, and what is wrong with it in one of these ways.
#[track_caller]
fn assert_says(said: &str, mount: &Mount, reasons: &[&str]) {
    let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error:")).collect();
    let [error] = errors[..] else { panic!("not one line that begins with `error:`:\n{said}") };
    assert!(error.contains(&mount.path().display().to_string()), "the store is not named: {error}");
    let lower = error.to_lowercase();
    assert!(reasons.iter().any(|reason| lower.contains(reason)), "none of {reasons:?}: {error}");
}

const READ_ONLY: &[&str] = &["read-only", "readonly"];
const FULL: &[&str] = &["full", "no space left"];

#[tokio::test]
async fn a_store_that_can_only_be_read_is_a_clear_error_at_the_start() {
    let rp = CountingRp::start(answer).await;
    let mount = Mount::tmpfs("6m");
    let setup = setup(&mount, &rp);
    mount.remount("ro");
    assert_says(&fails_to_start(&setup), &mount, READ_ONLY);

    // The same for a store that was there before.
    mount.remount("rw");
    drain(Serve::start(&setup.write()));
    mount.remount("ro");
    assert_says(&fails_to_start(&setup), &mount, READ_ONLY);
}

#[tokio::test]
async fn a_full_disk_is_a_clear_error_at_the_first_start() {
    let rp = CountingRp::start(answer).await;
    let mount = Mount::tmpfs("6m");
    let setup = setup(&mount, &rp);
    mount.fill();
    assert_says(&fails_to_start(&setup), &mount, FULL);
}

#[tokio::test]
async fn a_full_disk_is_a_clear_error_at_a_later_start() {
    let rp = CountingRp::start(answer).await;
    let mount = Mount::tmpfs("6m");
    let setup = setup(&mount, &rp);
    drain(Serve::start(&setup.write()));
    mount.fill();
    assert_says(&fails_to_start(&setup), &mount, FULL);
}

fn drain(mut serve: Serve) {
    serve.signal("TERM");
    assert!(serve.ended().success());
}
