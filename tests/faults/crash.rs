//! `kill -9` under load: what was acknowledged is delivered, and little is sent twice.
//!
//! `FAULTS_SEED` fixes when the process is killed (the seed of each run is printed), `FAULTS_KILLS` how often.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::counting_rp::{CountingRp, Heard};
use crate::source::Source;
use crate::support::app::Setup;
use crate::support::ends;
use crate::support::process::{Serve, logoutd};

const CLIENTS: [&str; 3] = ["shop", "blog", "wiki"];

/// `delivery.max_concurrency`: the most attempts that a kill can cut off.
const MAX_IN_FLIGHT: usize = 32;

/// A request that was sent before a kill is heard at most this long after it.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// How long everything may take to become final once the killing is over.
const PATIENCE: Duration = Duration::from_secs(90);

/// What the sources know.
#[derive(Default)]
struct Ledger {
    acknowledged: Vec<(Value, Instant)>,
    /// Reported, perhaps stored, and given up without an answer.
    unanswered: Vec<Value>,
}

/// One of the sources that report without end.
#[derive(Clone)]
struct Reporter {
    source: Source,
    server: watch::Receiver<String>,
    ledger: Arc<Mutex<Ledger>>,
    stop: CancellationToken,
}

impl Reporter {
    async fn run(self, batch: usize, pause: Duration) {
        while !self.stop.is_cancelled() {
            let new = || ends(&uuid::Uuid::new_v4().to_string(), &CLIENTS);
            self.report((0..batch).map(|_| new()).collect()).await;
            tokio::time::sleep(pause).await;
        }
    }

    /// Reports until there is an answer; half of those that lost theirs on the way are given up.
    async fn report(&self, events: Vec<Value>) {
        let body = if let [event] = &events[..] { event.clone() } else { json!(events) };
        loop {
            let server = self.server.borrow().clone();
            match self.source.report(&server, &body, 0).await {
                Ok(reply) => {
                    assert_eq!(reply.status, 202, "{}", reply.body);
                    let now = Instant::now();
                    let mut ledger = self.ledger.lock().unwrap();
                    ledger.acknowledged.extend(events.into_iter().map(|event| (event, now)));
                    return;
                }
                Err(error) if !error.is_connect() && fastrand::bool() => {
                    self.ledger.lock().unwrap().unanswered.extend(events);
                    return;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// What the killing came to.
#[derive(Default)]
struct Killing {
    kills: Vec<Instant>,
    longest_start: Duration,
}

/// Kills the process and starts it again, `kills` times, and leaves the last one running.
async fn kill_again_and_again(
    path: &Path,
    kills: usize,
    seed: u64,
    server: &watch::Sender<String>,
) -> (Serve, Killing) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut killing = Killing::default();
    let mut serve = start(path.to_owned()).await;
    server.send_replace(serve.server.clone());
    while killing.kills.len() < kills {
        tokio::time::sleep(Duration::from_millis(random.u64(300..1500))).await;
        serve.kill();
        killing.kills.push(Instant::now());
        // Starting is a time to die too: what it tidies up may be half done.
        if random.u8(..) < 64 && killing.kills.len() < kills {
            start_and_kill(path, Duration::from_millis(random.u64(1..50))).await;
            killing.kills.push(Instant::now());
        }
        let began = Instant::now();
        serve = start(path.to_owned()).await;
        server.send_replace(serve.server.clone());
        killing.longest_start = killing.longest_start.max(began.elapsed());
    }
    (serve, killing)
}

/// Starting blocks, and the relying parties and the sources go on meanwhile.
async fn start(path: PathBuf) -> Serve {
    tokio::task::spawn_blocking(move || Serve::start(&path)).await.unwrap()
}

async fn start_and_kill(path: &Path, after: Duration) {
    let mut child = logoutd().args(["serve", "--config"]).arg(path).stderr(Stdio::null()).spawn().unwrap();
    tokio::time::sleep(after).await;
    child.kill().unwrap();
    child.wait().unwrap();
}

/// `wiki` fails first for a third of the sessions; all take a moment, so that kills find attempts under way.
async fn answer(heard: Heard) -> u16 {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..60))).await;
    let unlucky = heard.sid.bytes().next().is_some_and(|first| first < b'5');
    if heard.client == "wiki" && heard.number == 1 && unlucky { 503 } else { 200 }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_delivered_whenever_the_process_is_killed() {
    let seed = setting("FAULTS_SEED").unwrap_or_else(|| fastrand::u64(..));
    let kills = usize::try_from(setting("FAULTS_KILLS").unwrap_or(50)).unwrap();
    println!("crash: FAULTS_SEED={seed} FAULTS_KILLS={kills}");

    let rp = CountingRp::start(answer).await;
    let delivery = format!(
        "[delivery]\ntimeout = \"1s\"\nschedule = [\"200ms\"]\nmax_concurrency = {MAX_IN_FLIGHT}\n\
         max_concurrency_per_client = 16"
    );
    let setup = CLIENTS
        .iter()
        .fold(Setup::new().with(&delivery), |setup, client| setup.client(client, &rp.uri(client), ""));
    let path = setup.write();

    let (server, servers) = watch::channel(String::new());
    let (ledger, stop, source) = (Arc::<Mutex<Ledger>>::default(), CancellationToken::new(), Source::new());
    let reporter =
        Reporter { source: source.clone(), server: servers, ledger: Arc::clone(&ledger), stop: stop.clone() };
    let mut reporters = JoinSet::new();
    for (batch, pause) in [(1, 20), (1, 20), (1, 40), (10, 200), (25, 700)] {
        reporters.spawn(reporter.clone().run(batch, Duration::from_millis(pause)));
    }
    let (serve, killing) = kill_again_and_again(&path, kills, seed, &server).await;
    stop.cancel();
    reporters.join_all().await;
    let over = Instant::now();

    let Ledger { acknowledged, unanswered } = std::mem::take(&mut *ledger.lock().unwrap());
    let events: Vec<Value> = acknowledged.iter().map(|(event, _)| event.clone()).collect();
    source.assert_known(&serve.server, &events).await;
    source.assert_delivered(&serve.server, &events, PATIENCE).await;
    let all_final = over.elapsed();
    // Stored or not, to report them again does no harm.
    source.assert_delivered(&serve.server, &unanswered, PATIENCE).await;

    let heard = rp.heard();
    let copies = assert_heard(&heard, &events, &unanswered, &killing.kills);
    let bound = killing.kills.len() * MAX_IN_FLIGHT;
    println!(
        "crash: {} events acknowledged, {} kills, {} deliveries, {copies} extra copies (at most {bound}), \
         {} unanswered events; longest start {:.2?}, longest from acknowledged to delivered {:.2?}, all final \
         {all_final:.2?} after the last kill",
        events.len(),
        killing.kills.len(),
        (events.len() + unanswered.len()) * CLIENTS.len(),
        unanswered.len(),
        killing.longest_start,
        longest_delivery(&acknowledged, &heard),
    );
    assert!(copies <= bound, "{copies} extra copies");
    assert!(!events.is_empty());
}

/// Asserts that each client was told of each session, with a new `jti` each time, and again only because of a
/// kill. Returns how many requests there were beyond the refused ones and the one that each delivery takes.
fn assert_heard(heard: &[Heard], acknowledged: &[Value], unanswered: &[Value], kills: &[Instant]) -> usize {
    let jtis: BTreeSet<&str> = heard.iter().map(|it| it.jti.as_str()).collect();
    assert_eq!(jtis.len(), heard.len(), "every request has a jti of its own");

    let mut times: HashMap<(&str, &str), Vec<Instant>> = HashMap::new();
    for request in heard.iter().filter(|it| it.answered != Some(503)) {
        times.entry((&request.client, &request.sid)).or_default().push(request.at);
    }
    let mut copies = 0;
    for event in acknowledged.iter().chain(unanswered) {
        let sid = event["data"]["sid"].as_str().unwrap();
        for client in CLIENTS {
            let times =
                times.remove(&(client, sid)).unwrap_or_else(|| panic!("{client} was never told of {event}"));
            for pair in times.windows(2) {
                let between = |kill: &Instant| pair[0] <= *kill + ON_ITS_WAY && *kill <= pair[1];
                assert!(kills.iter().any(between), "{client} was told twice without a kill of {event}");
                copies += 1;
            }
        }
    }
    assert!(times.is_empty(), "nobody reported these: {times:?}");
    copies
}

/// From the acknowledgement to the first request that was not refused, over all deliveries.
fn longest_delivery(acknowledged: &[(Value, Instant)], heard: &[Heard]) -> Duration {
    let mut first: HashMap<(&str, &str), Instant> = HashMap::new();
    for request in heard.iter().filter(|it| it.answered != Some(503)) {
        first.entry((&request.client, &request.sid)).or_insert(request.at);
    }
    let waits = acknowledged.iter().flat_map(|(event, at)| {
        let sid = event["data"]["sid"].as_str().unwrap();
        CLIENTS.iter().map(|client| first[&(*client, sid)].saturating_duration_since(*at)).collect::<Vec<_>>()
    });
    waits.max().unwrap_or_default()
}
