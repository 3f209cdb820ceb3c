//! Writes that fail with an I/O error, which is neither a full disk nor one that can only be read: the kernel refuses
//! every write to a file (`RLIMIT_FSIZE`), and SQLite reports the extended code 778 (`SQLITE_IOERR_WRITE`).

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::sync::watch;

use crate::counting_rp::{CountingRp, Heard};
use crate::source::Source;
use crate::support::app::Setup;
use crate::support::process::{Serve, logoutd};
use crate::support::{ends, eventually};

/// How long everything may take to become final once the disk works again.
const PATIENCE: Duration = Duration::from_mins(1);

const CLIENTS: [&str; 3] = ["shop", "blog", "wiki"];

/// More tries than an outcome gets which is itself to blame.
const TRIES: &str = "\"tries\":5";

fn setup(rp: &CountingRp) -> Setup {
    let limits = "[delivery]\nschedule = [\"100ms\"]\ntimeout = \"20s\"";
    CLIENTS.iter().fold(Setup::new().with(limits), |setup, client| setup.client(client, &rp.uri(client), ""))
}

fn sid(event: &serde_json::Value) -> &str {
    event["data"]["sid"].as_str().unwrap()
}

/// Starts the service so that a write beyond a limit fails, instead of ending it with a signal.
fn start_to_be_limited(config: &Path) -> Serve {
    let program = logoutd();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program.get_program());
    for (name, _) in program.get_envs() {
        command.env_remove(name);
    }
    Serve::start_command(command, config, &[])
}

/// How long a file may be that it writes to, in bytes; `unlimited` for as long as it likes.
fn limit_files(serve: &Serve, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    assert!(Command::new("prlimit").args(["--pid", &serve.id(), &limit]).status().unwrap().success());
}

#[tokio::test]
async fn an_outcome_outlives_io_errors_and_its_token_goes_out_once() {
    let (release, released) = watch::channel(false);
    let answer = move |_: Heard| {
        let mut released = released.clone();
        async move {
            released.wait_for(|it| *it).await.unwrap();
            200
        }
    };
    let rp = CountingRp::start(answer).await;
    let setup = setup(&rp);
    let serve = start_to_be_limited(&setup.write());
    let source = Source::new();
    let event = ends("s-1", &CLIENTS);
    assert_eq!(source.report(&serve.server, &event, 0).await.unwrap().status, 202);
    // A client that was never heard of has one attempt under way.
    eventually(async || (rp.heard().len() == CLIENTS.len()).then_some(())).await;

    limit_files(&serve, "0");
    release.send_replace(true);
    eventually(async || serve.log().contains(TRIES).then_some(())).await;
    limit_files(&serve, "unlimited");

    source.assert_delivered(&serve.server, &[event], PATIENCE).await;
    assert_eq!(CLIENTS.map(|client| rp.count(client, "s-1")), [1, 1, 1], "tokens that each client has got");
}

#[tokio::test]
async fn what_was_acknowledged_among_io_errors_is_there_after_a_crash_and_nothing_else() {
    let rp = CountingRp::start(async |_| 200).await;
    let setup = setup(&rp);
    let config = setup.write();
    let serve = start_to_be_limited(&config);
    let source = Source::new();
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    for round in 0..6 {
        limit_files(&serve, if round % 2 == 0 { "unlimited" } else { "0" });
        for n in 0..10 {
            let event = ends(&format!("s-{round}-{n}"), &["shop"]);
            let reply = source.report(&serve.server, &event, 0).await.unwrap();
            if reply.status == 202 {
                acknowledged.push(event);
            } else {
                assert_eq!((reply.status, &reply.body["errorCode"]), (503, &"store_unavailable".into()));
                refused.push(event);
            }
        }
    }
    assert!(acknowledged.len() >= 30 && refused.len() >= 20, "{} {}", acknowledged.len(), refused.len());
    serve.kill();

    let serve = Serve::start(&config);
    source.assert_known(&serve.server, &acknowledged).await;
    source.assert_delivered(&serve.server, &acknowledged, PATIENCE).await;
    for event in &refused {
        assert_eq!(rp.count("shop", sid(event)), 0, "it was refused, and sent: {event}");
        let reply = source.report(&serve.server, event, 0).await.unwrap();
        assert_eq!((reply.status, &reply.body["duplicate"]), (202, &false.into()), "{}", reply.body);
    }
}
