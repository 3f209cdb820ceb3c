//! Ends of so many sessions that they do not fit into one transaction: all are told, and nobody else waits for them.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::process::Serve;
use crate::support::{TOKEN, event, eventually, http};

/// Sessions of one user: with five clients each that must have a `sid`, more deliveries than several transactions take.
const SESSIONS: usize = 1_200;
const CLIENTS: [&str; 5] = ["c-1", "c-2", "c-3", "c-4", "c-5"];

/// Clients that are told nothing for now, so that the deliveries can be counted.
fn setup() -> Setup {
    let settings = "initiators = \"all\"\nbackchannel_logout_session_required = true\nenabled = false";
    let add = |setup: Setup, id: &&str| setup.client(id, "http://127.0.0.1:9/", settings);
    CLIENTS.iter().fold(Setup::new(), add).client("other", "http://127.0.0.1:9/", settings)
}

fn sessions(sub: &str, count: usize) -> Value {
    let created = |n| event("session.created", json!({"sid": format!("{sub}-{n}"), "sub": sub}));
    (0..count).map(created).collect()
}

async fn begin(app: &TestApp, sub: &str, count: usize) {
    for batch in sessions(sub, count).as_array().unwrap().chunks(1_000) {
        let (status, answer) = app.report(&json!(batch)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    }
}

fn everywhere(sub: &str, initiator: &str) -> Value {
    event("session.terminated", json!({"sub": sub, "initiator": initiator, "clients": CLIENTS}))
}

/// That all sessions and deliveries are in the answer, each once.
fn assert_whole(answer: &Value, sessions: usize) {
    let texts = |list: &Value, of: fn(&Value) -> &Value| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|it| of(it).as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(answer.get("complete"), None);
    for (list, of, expected) in [
        (&answer["sessions"], (|it| it) as fn(&Value) -> &Value, sessions),
        (&answer["deliveries"], |it| &it["id"], sessions * CLIENTS.len()),
    ] {
        assert_eq!(list.as_array().unwrap().len(), expected);
        assert_eq!(texts(list, of).len(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_others_are_answered_while_many_sessions_end() {
    let app = setup().start().await;
    begin(&app, "alice", SESSIONS).await;
    let end = everywhere("alice", "account-deleted");
    let mut ending = Box::pin(app.report(&end));
    let mut answered = 0;
    let (status, answer) = loop {
        let other = event("session.created", json!({"sid": format!("bob-{answered}"), "sub": "bob"}));
        tokio::select! {
            biased;
            ended = &mut ending => break ended,
            (status, _) = app.report(&other) => {
                assert_eq!(status, StatusCode::ACCEPTED);
                answered += 1;
            }
        }
    };
    drop(ending);
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    // At least one between any two pieces.
    assert!(answered >= 5, "{answered}");
    assert_whole(&answer, SESSIONS);

    // Again, the same; and with a wish to wait for the outcome.
    let (status, again) = app.report(&end).await;
    assert_eq!((status, &again["duplicate"]), (StatusCode::ACCEPTED, &json!(true)));
    assert_eq!((&again["sessions"], &again["deliveries"]), (&answer["sessions"], &answer["deliveries"]));
    let (status, waited) = app.report_and_wait(&end, 1).await;
    assert_eq!(status, StatusCode::OK);
    assert_whole(&waited, SESSIONS);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_ends_many_sessions_and_is_told_of_all() {
    let app = setup().start().await;
    for batch in 0..2 {
        let created = |n| {
            let data = json!({"sid": format!("s-{batch}-{n}"), "sub": "alice", "clients": CLIENTS});
            event("session.created", data)
        };
        let batch: Value = (0..500).map(created).collect();
        assert_eq!(app.report(&batch).await.0, StatusCode::ACCEPTED);
    }
    let (status, ended) = app.api(reqwest::Method::DELETE, "/users/alice/sessions", None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_whole(&ended, 1_000);
    app.stop().await;
}

/// A token about the user means every session that there is: one for each end, however many pieces that has.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_told_of_the_user_is_told_once() {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let app = Setup::new().client("shop", &rp.uri(), "subject_logout = \"sub\"").start().await;
    for batch in 0..3 {
        let created = |n| {
            let data = json!({"sid": format!("s-{batch}-{n}"), "sub": "alice", "clients": ["shop"]});
            event("session.created", data)
        };
        let batch: Value = (0..1_000).map(created).collect();
        assert_eq!(app.report(&batch).await.0, StatusCode::ACCEPTED);
    }
    let end = event("session.terminated", json!({"sub": "alice", "initiator": "rp-logout"}));
    let (status, answer) = app.report_and_wait(&end, 30).await;
    assert_eq!((status, answer.get("complete")), (StatusCode::OK, None));
    assert_eq!(answer["sessions"].as_array().unwrap().len(), 3_000);
    assert_eq!(answer["deliveries"].as_array().unwrap().len(), 1, "{}", answer["deliveries"]);
    app.stop().await;
    assert_eq!(rp.received_requests().await.unwrap().len(), 1);
}

/// Whatever happens to a session after an end that has not got to it yet comes after that end.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_an_end_finds_every_session_ended() {
    let app = setup().start().await;
    begin(&app, "alice", SESSIONS).await;
    let batch = json!([
        everywhere("alice", "rp-logout"),
        event("session.client_added", json!({"sid": "alice-1199", "client_id": "other"})),
        event("session.terminated", json!({"sid": "alice-1198", "initiator": "account-deleted"})),
        event("session.created", json!({"sid": "alice-1197", "sub": "alice"})),
        event("session.created", json!({"sid": "new", "sub": "alice"})),
        everywhere("alice", "account-deleted"),
        event("session.created", json!({"sid": "newer", "sub": "alice"})),
    ]);
    let (status, answer) = app.report(&batch).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    assert_whole(&answer[0], SESSIONS);
    assert_eq!(answer[1]["deliveries"].as_array().unwrap().len(), CLIENTS.len() + 1);
    // The first end's, and not made anew by the second.
    let told = answer[2]["deliveries"].as_array().unwrap();
    assert_eq!(told.len(), CLIENTS.len());
    let id = told[0]["id"].as_str().unwrap();
    assert_eq!(app.get(&format!("/deliveries/{id}")).await.1["initiator"], "rp-logout");
    // What began after the first end, ended by the second; what began after both lives.
    let mut ended: Vec<_> = answer[5]["sessions"].as_array().unwrap().clone();
    ended.sort_by_key(ToString::to_string);
    assert_eq!(ended, [json!("alice-1197"), json!("new")]);
    let (_, live) = app.get("/users/alice/sessions").await;
    let live: Vec<_> = live["sessions"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(live, ["newer"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_of_many_sessions_that_a_crash_cuts_off_is_carried_on() {
    let setup = setup();
    let path = setup.write();
    let report = async |server: &str, event: &Value| {
        let media_type = if event.is_array() { "cloudevents-batch+json" } else { "cloudevents+json" };
        let request = http().post(format!("{server}/events")).bearer_auth(TOKEN);
        let request = request.header("content-type", format!("application/{media_type}"));
        request.body(event.to_string()).send().await
    };
    let live = async |management: &str| {
        let url = format!("{management}/api/v2/users/alice/sessions?take=1");
        let page: Value = http().get(url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
        page["sessions"].as_array().unwrap().len()
    };
    let serve = tokio::task::spawn_blocking({
        let path = path.clone();
        move || Serve::start(&path)
    });
    let serve = serve.await.unwrap();
    for batch in sessions("alice", 3_000).as_array().unwrap().chunks(1_000) {
        assert_eq!(report(&serve.server, &json!(batch)).await.unwrap().status(), 202);
    }
    // Killed as soon as its first piece is stored.
    let end = everywhere("alice", "account-deleted");
    let server = serve.server.clone();
    let (reported, ()) = tokio::join!(report(&server, &end), async {
        let url = format!("{}/api/v2/sessions/alice-0", serve.management);
        eventually(async || {
            let status = http().get(&url).bearer_auth(TOKEN).send().await.ok()?.status();
            (status == 404).then_some(())
        })
        .await;
        assert_eq!(live(&serve.management).await, 1, "sessions are left to end");
        serve.kill();
    });
    assert!(reported.is_err(), "it was not answered");

    let serve = tokio::task::spawn_blocking(move || Serve::start(&path)).await.unwrap();
    let answer: Value = report(&serve.server, &end).await.unwrap().json().await.unwrap();
    assert_eq!(answer["duplicate"], true);
    assert_whole(&answer, 3_000);
    assert_eq!(live(&serve.management).await, 0);
}

#[tokio::test]
async fn a_batch_about_more_clients_than_one_transaction_can_tell_is_refused_whole() {
    let more: Vec<_> = (0..6).map(|n| format!("more-{n}")).collect();
    let add = |setup: Setup, id: &String| setup.client(id, "http://127.0.0.1:9/", "enabled = false");
    let app = more.iter().fold(setup(), add).start().await;
    let clients: Vec<&str> = CLIENTS.iter().copied().chain(more.iter().map(String::as_str)).collect();
    let created =
        |n| event("session.created", json!({"sid": format!("s-{n}"), "sub": "alice", "clients": clients}));
    let ended = |n| event("session.terminated", json!({"sid": format!("s-{n}"), "initiator": "rp-logout"}));
    for from in [0, 500] {
        let batch: Value = (from..from + 500).map(created).collect();
        assert_eq!(app.report(&batch).await.0, StatusCode::ACCEPTED);
    }
    // A thousand sessions with eleven clients each.
    let batch: Value = (0..1_000).map(ended).collect();
    let (status, answer) = app.report(&batch).await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("batch_too_large")));
    assert_eq!(app.get("/sessions/s-0").await.0, StatusCode::OK, "nothing of it is stored");
    assert_eq!(app.get("/deliveries").await.1["deliveries"], json!([]));
    for half in batch.as_array().unwrap().chunks(500) {
        let (status, answer) = app.report(&json!(half)).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_eq!(answer[499]["deliveries"].as_array().unwrap().len(), 11);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_session_has_a_bounded_number_of_clients() {
    let app = Setup::new().start().await;
    for n in 0..1_001 {
        let client = json!({"client_id": format!("c-{n}"), "id_token_signed_response_alg": "ES256"});
        let (status, answer) = app.api(reqwest::Method::POST, "/clients", Some(client)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
    }
    let clients: Vec<_> = (0..1_000).map(|n| format!("c-{n}")).collect();
    let created = event("session.created", json!({"sid": "s-1", "sub": "alice", "clients": clients}));
    assert_eq!(app.report(&created).await.0, StatusCode::ACCEPTED);
    let added = event("session.client_added", json!({"sid": "s-1", "client_id": "c-1000"}));
    let (status, answer) = app.report(&added).await;
    assert_eq!(
        (status, &answer["errorCode"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("too_many_clients"))
    );
    assert_eq!(
        answer["message"],
        "data.client_id: a session has at most 1000 clients, and this one would have 1001"
    );
    // One that it has is no more.
    let added = event("session.client_added", json!({"sid": "s-1", "client_id": "c-7"}));
    assert_eq!(app.report(&added).await.0, StatusCode::ACCEPTED);
    app.stop().await;
}

#[tokio::test]
async fn an_event_names_a_bounded_number_of_clients() {
    let app = Setup::new().client("shop", "http://127.0.0.1:9/", "").start().await;
    let names: Vec<_> = (0..1_001).map(|n| format!("c-{n}")).collect();
    for member in ["clients", "exclude_clients"] {
        let mut data = json!({"sid": "s-1", "initiator": "rp-logout", "clients": ["shop"]});
        data[member] = json!(names);
        let (status, answer) = app.report(&event("session.terminated", data)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let message = answer["message"].as_str().unwrap();
        let expected = format!("data.{member}: must name at most 1000 clients");
        assert!(message.starts_with(&expected), "{message}");
    }
    app.stop().await;
}
