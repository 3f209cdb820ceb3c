//! What relying parties answer: how little it takes to be understood, and how much is taken at the most.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::raw_h2_rp::{RawH2Rp, Script, frame, head, status_field};
use crate::support::raw_rp::{Endless, RawRp, Trick};
use crate::support::tls_rp::TlsRp;
use crate::support::{ends, eventually};

/// What a relying party can have got rid of when it is cut off, in bytes: what a connection may bring, what one read
/// may take beyond it, and the kernel's buffers of both sides, each twice what was asked for.
const MOST_SENT: usize = 16 * 1024 + 128 * 1024 + 64 * 1024 + 2 * (64 + 8) * 1024;

/// Sends a client one token, and returns what came of it.
async fn trial(app: &TestApp, client_id: &str) -> Value {
    let (status, trial) = app.api(Method::POST, &format!("/clients/{client_id}/test"), None).await;
    assert_eq!(status, StatusCode::OK, "{trial}");
    trial
}

/// The class of a failure, what a delivery would be, and whether the relying party may have the token.
fn failure(trial: &Value) -> (&str, &str, bool) {
    let attempt = &trial["attempt"];
    let class = attempt["error"].as_str().unwrap_or("none");
    (class, trial["state"].as_str().unwrap(), attempt["outcome_unknown"].as_bool().unwrap())
}

async fn service(uri: &str) -> TestApp {
    Setup::new().client("shop", uri, "").start().await
}

fn leaked(bytes: Vec<u8>) -> &'static [u8] {
    bytes.leak()
}

/// An answer with these lines under its status.
fn ok(lines: &str) -> Trick {
    Trick::Says(leaked(format!("HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n").into_bytes()))
}

fn fields(count: usize) -> String {
    (0..count).map(|n| format!("x-{n}: v\r\n")).collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn a_200_is_a_200_whatever_is_odd_about_the_lines_under_it() {
    for (what, trick) in [
        ("a folded line", ok("x: a\r\n b\r\n\tc\r\n")),
        ("101 fields", ok(&fields(101))),
        ("2,000 fields", ok(&fields(2000))),
        ("a space before a colon", ok("x : a\r\nserver : b\r\n")),
        ("DEL in a value", ok("x: a\x7fb\r\n")),
        ("a control character in a value", ok("x: a\x01b\r\n")),
        ("bytes beyond ASCII in a value", ok("x: \u{e4}\r\n")),
        ("a space in a name", ok("x y: a\r\n")),
        ("a line without a colon", ok("x\r\n")),
        ("a line without a name", ok(": a\r\n")),
        ("a long field", ok(&format!("x: {}\r\n", "a".repeat(60_000)))),
        ("no reason phrase", Trick::Says(b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n")),
        ("bare line feeds", Trick::Says(b"HTTP/1.1 200 OK\ncontent-length: 0\n\n")),
        ("HTTP/1.0", Trick::Says(b"HTTP/1.0 200 OK\r\n\r\nbye")),
        ("a body that breaks off", Trick::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx")),
    ] {
        let rp = RawRp::start(trick);
        let app = service(&rp.uri()).await;
        let outcome = app.outcome(&ends("s-1", &["shop"]), 10).await.remove(0).1;
        assert_eq!((outcome.as_str(), rp.requests()), ("delivered", 1), "{what}");
        app.stop().await;
    }
}

#[tokio::test]
async fn statuses_that_http_does_not_know_are_server_errors() {
    for (status, state) in [
        (599, "pending"),
        (600, "pending"),
        (799, "pending"),
        (999, "pending"),
        (499, "rejected"),
        (101, "rejected"),
    ] {
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n").into_bytes();
        let rp = RawRp::start(Trick::Says(leaked(answer)));
        let app = service(&rp.uri()).await;
        let trial = trial(&app, "shop").await;
        assert_eq!(failure(&trial), (format!("status_{status}").as_str(), state, false));
        app.stop().await;
    }
}

#[tokio::test]
async fn a_wish_for_more_time_than_there_is_counts_as_the_longest() {
    for wish in ["18446744073709551616", &"9".repeat(100), "Fri, 31 Dec 9999 23:59:59 GMT", "3600"] {
        let rp = MockServer::start().await;
        let answer = ResponseTemplate::new(503).insert_header("retry-after", wish);
        Mock::given(method("POST")).respond_with(answer).mount(&rp).await;
        let app = service(&rp.uri()).await;
        app.report(&ends("s-1", &["shop"])).await;
        let delivery = eventually(async || {
            let delivery = app.get("/deliveries").await.1["deliveries"][0].clone();
            (delivery["attempts_made"] == 1).then_some(delivery)
        })
        .await;
        assert_eq!(delivery["state"], "pending", "{wish}");
        let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let wait = time(&delivery["due_at"]).duration_since(time(&delivery["created_at"]));
        assert!((3600..3630).contains(&wait.as_secs()), "{wish}: {wait:?}");
        assert_eq!(rp.received_requests().await.unwrap().len(), 1);
        app.stop().await;
    }
}

#[tokio::test]
async fn a_few_interim_responses_are_skipped_and_no_more() {
    for (count, expected) in [(1, "none"), (16, "none"), (17, "answer_too_large"), (500, "answer_too_large")]
    {
        let answer = format!("{}HTTP/1.1 204 x\r\n\r\n", "HTTP/1.1 103 E\r\n\r\n".repeat(count));
        let rp = RawRp::start(Trick::Says(leaked(answer.into_bytes())));
        let app = service(&rp.uri()).await;
        let trial = trial(&app, "shop").await;
        let state = if expected == "none" { "delivered" } else { "pending" };
        assert_eq!(failure(&trial), (expected, state, expected != "none"), "{count}");
        app.stop().await;
    }
}

/// Sends without end before there is an answer: the attempt ends as a failure that may pass, and the relying party is
/// cut off.
async fn is_cut_off(what: &str, endless: Endless) {
    let rp = RawRp::start(Trick::Repeats(endless));
    let app = service(&rp.uri()).await;
    let trial = trial(&app, "shop").await;
    assert_eq!(failure(&trial), ("answer_too_large", "pending", true), "{what}");
    eventually(async || (rp.open() == 0).then_some(())).await;
    assert!(rp.bytes_sent() <= MOST_SENT, "{what}: {} bytes were taken", rp.bytes_sent());
    assert_eq!(rp.requests(), 1, "{what}");
    app.stop().await;
}

#[tokio::test]
async fn what_never_comes_to_an_answer_is_cut_off() {
    for (what, first, piece) in [
        ("interim responses", "", "HTTP/1.1 103 E\r\n\r\n"),
        ("interim responses with fields", "", "HTTP/1.1 103 E\r\nlink: </a>; rel=preload\r\nx: y\r\n\r\n"),
        ("100 Continue", "", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("fields", "HTTP/1.1 200 OK\r\n", "x: y\r\n"),
        ("fields of an interim response", "HTTP/1.1 103 E\r\n", "x: y\r\n"),
        ("one line", "HTTP/1.1 200 OK\r\nx: ", "aaaaaaaaaaaaaaaa"),
        ("a folded line", "HTTP/1.1 200 OK\r\nx: a\r\n", " a\r\n"),
        ("a reason phrase", "HTTP/1.1 200 ", "OK"),
    ] {
        is_cut_off(what, Endless { first: first.as_bytes(), piece: piece.as_bytes(), pause: None }).await;
    }
}

#[tokio::test]
async fn an_answer_that_trickles_in_has_the_deadline_of_the_whole() {
    let pause = Some(Duration::from_millis(100));
    for (what, first, piece, class) in [
        ("a head", "HTTP/1.1 200 OK\r\nx: ", "a", "timeout"),
        ("empty lines", "", "\r\n", "timeout"),
        ("interim responses", "", "HTTP/1.1 103 E\r\n\r\n", "timeout"),
    ] {
        let rp =
            RawRp::start(Trick::Repeats(Endless { first: first.as_bytes(), piece: piece.as_bytes(), pause }));
        let app = service(&rp.uri()).await;
        let trial = trial(&app, "shop").await;
        assert_eq!(failure(&trial), (class, "pending", true), "{what}");
        eventually(async || (rp.open() == 0).then_some(())).await;
        // Ten in the second that there is, and those that cross with the end of it.
        let pieces = (rp.bytes_sent() - first.len()) / piece.len();
        assert!(pieces <= 15, "{what}: {pieces}");
        app.stop().await;
    }
}

#[tokio::test]
async fn http_2_has_the_same_limits() {
    let many: Vec<u8> = (0..1000)
        .flat_map(|n| {
            let name = format!("x-{n}");
            [&[0, u8::try_from(name.len()).unwrap()], name.as_bytes(), &[1, b'v']].concat()
        })
        .collect();
    let block = [status_field("200"), many].concat();
    let setup = || {
        let folder = tempfile::tempdir().unwrap();
        (Setup::new(), folder)
    };
    let answers = Script { first: frame(0x1, 0x5, 1, &block), piece: Vec::new() };
    let (plain, folder) = setup();
    let rp = RawH2Rp::start(folder.path(), answers).await;
    let app = over_tls(plain, &rp).start().await;
    assert_eq!(failure(&trial(&app, "shop").await), ("none", "delivered", false));
    app.stop().await;

    let link = [status_field("103"), [&[0, 4], &b"link"[..], &[4], b"</a>"].concat()].concat();
    for (what, first, piece) in [
        ("interim responses", Vec::new(), head("103")),
        ("interim responses with fields", Vec::new(), frame(0x1, 0x4, 1, &link)),
        ("continuations", frame(0x1, 0, 1, &status_field("200")), frame(0x9, 0, 1, &[0, 1, b'x', 1, b'y'])),
        ("empty continuations", frame(0x1, 0, 1, &status_field("200")), frame(0x9, 0, 1, &[])),
        ("pings", Vec::new(), frame(0x6, 0, 0, &[0; 8])),
        ("settings", Vec::new(), frame(0x4, 0, 0, &[])),
        ("window updates", Vec::new(), frame(0x8, 0, 0, &[0, 0, 0, 1])),
        ("frames nobody knows", Vec::new(), frame(0xbe, 0, 0, &[0; 8])),
        ("priorities", Vec::new(), frame(0x2, 0, 3, &[0, 0, 0, 0, 1])),
    ] {
        let (plain, folder) = setup();
        let rp = RawH2Rp::start(folder.path(), Script { first, piece }).await;
        let app = over_tls(plain, &rp).start().await;
        let trial = trial(&app, "shop").await;
        let (class, state, unknown) = failure(&trial);
        // Some of them the protocol itself forbids.
        assert!(["answer_too_large", "reset"].contains(&class), "{what}: {trial}");
        assert_eq!((state, unknown), ("pending", true), "{what}: {trial}");
        eventually(async || (rp.open() == 0).then_some(())).await;
        // The kernel's buffer on the other side is as it comes.
        assert!(rp.bytes_sent() <= MOST_SENT + 3_000_000, "{what}: {} bytes", rp.bytes_sent());
        assert_eq!(rp.requests(), 1, "{what}");
        app.stop().await;
    }
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_asked_has_a_limit_too() {
    let script = Script { first: head("204"), piece: frame(0x6, 0, 0, &[0; 8]) };
    let setup = Setup::new();
    let rp = RawH2Rp::start(setup.folder.path(), script).await;
    let app = over_tls(setup, &rp).start().await;
    assert_eq!(failure(&trial(&app, "shop").await), ("none", "delivered", false));
    // Long before a minute of idleness.
    eventually(async || (rp.open() == 0).then_some(())).await;
    app.stop().await;
}

fn over_tls(setup: Setup, rp: &RawH2Rp) -> Setup {
    setup
        .with(&format!(
            "[egress]\nallow_networks = [\"127.0.0.0/8\", \"::1/128\"]\nca_file = \"{}\"",
            rp.ca_file.display()
        ))
        .client("shop", &rp.uri(), "")
}

#[tokio::test]
async fn relying_parties_that_never_come_to_an_answer_hold_nobody_up() {
    let interim = Endless { first: b"", piece: b"HTTP/1.1 103 E\r\n\r\n", pause: None };
    let endless = [RawRp::start(Trick::Repeats(interim)), RawRp::start(Trick::Repeats(interim))];
    let healthy = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&healthy).await;
    let app = Setup::new()
        .with("[delivery]\nschedule = [\"50ms\"]\ntimeout = \"5s\"\nbreaker_failures = 1000")
        .client("one", &endless[0].uri(), "")
        .client("two", &endless[1].uri(), "")
        .client("shop", &healthy.uri(), "")
        .start()
        .await;
    let backlog: Vec<Value> = (0..20).map(|n| ends(&format!("e-{n}"), &["one", "two"])).collect();
    app.report(&json!(backlog)).await;
    eventually(async || endless.iter().all(|rp| rp.requests() > 20).then_some(())).await;
    // This test has one thread for everything: whoever keeps it keeps all others.
    for n in 0..20 {
        assert_eq!(app.outcome(&ends(&format!("s-{n}"), &["shop"]), 10).await[0].1, "delivered");
        let alive = app.http.get(format!("{}/livez", app.management)).send().await.unwrap();
        assert_eq!(alive.status(), StatusCode::OK);
    }
    for rp in &endless {
        let (sent, requests) = (rp.bytes_sent(), rp.requests());
        assert!(sent <= MOST_SENT * requests, "{sent} bytes in {requests} attempts");
    }
    drop(app);
}

#[tokio::test]
async fn before_there_is_a_connection_nothing_can_have_been_received() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = format!("http://{}/logout", nobody.local_addr().unwrap());
    drop(nobody);
    let hanging = RawRp::start(Trick::Hang);
    let breaking = RawRp::start(Trick::Reset);
    let over_tls = |rp: &RawRp| rp.uri().replace("http:", "https:");
    let by_name = |rp: &RawRp| rp.uri().replace("127.0.0.1", "localhost");
    let untrusted = TlsRp::start().await;
    let loopback = "allow_networks = [\"127.0.0.0/8\", \"::1/128\"]";
    for (class, state, uri, networks) in [
        ("dns", "pending", "https://no-such-host.invalid/logout".to_owned(), loopback),
        ("connect", "pending", refusing, loopback),
        ("forbidden_address", "rejected", by_name(&hanging), ""),
        // It waits for more of a request than the first message of TLS, and never says a word.
        ("timeout", "pending", over_tls(&hanging), loopback),
        ("tls", "pending", untrusted.uri(), loopback),
    ] {
        let egress = format!("[egress]\nallow_http = true\n{networks}");
        let app = Setup::new().with(&egress).client("shop", &uri, "").start().await;
        assert_eq!(failure(&trial(&app, "shop").await), (class, state, false), "{uri}");
        app.stop().await;
    }
    assert_eq!((hanging.requests(), untrusted.requests()), (0, 0));

    // With one it is another matter.
    let app = service(&breaking.uri()).await;
    assert_eq!(failure(&trial(&app, "shop").await), ("reset", "pending", true));
    app.stop().await;
    assert_eq!(breaking.requests(), 1);
}

#[tokio::test]
async fn a_uri_from_before_they_were_checked_spoils_nothing_and_nobody_may_have_the_token() {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let app = Setup::new().client("shop", &rp.uri(), "").start().await;
    let body = json!({"client_id": "old", "backchannel_logout_uri": rp.uri(), "id_token_signed_response_alg": "ES256"});
    assert_eq!(app.api(Method::POST, "/clients", Some(body)).await.0, StatusCode::CREATED);
    let setup = app.stop().await;
    let store = format!("sqlite://{}", setup.folder.path().join("store.db").display());
    let mut store = SqliteConnection::connect(&store).await.unwrap();
    sqlx::query(
        "UPDATE clients SET document = json_set(document, '$.backchannel_logout_uri', ?) WHERE client_id = 'old'",
    )
    .bind("https://{tenant}.example.com")
    .execute(&mut store)
    .await
    .unwrap();
    store.close().await.unwrap();

    let app = setup.start().await;
    let (status, client) = app.get("/clients/old").await;
    assert_eq!(
        (status, &client["backchannel_logout_uri"]),
        (StatusCode::OK, &json!("https://{tenant}.example.com"))
    );
    let outcome = app.outcome(&ends("s-1", &["old", "shop"]), 10).await;
    assert_eq!(outcome.iter().map(|it| it.1.as_str()).collect::<Vec<_>>(), ["rejected", "delivered"]);
    assert_eq!(failure(&trial(&app, "old").await), ("invalid_uri", "rejected", false));
    app.stop().await;
}
