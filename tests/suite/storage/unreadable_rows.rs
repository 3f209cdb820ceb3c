//! Rows that cannot be read, in every table: everything else goes on as if they were not there, the metric counts
//! them, the log names them, and once they are mended they are as they were.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp, states};
use crate::support::process::{Serve, logoutd};
use crate::support::store_file::StoreFile;
use crate::support::{TOKEN, ends, event, eventually, http};

async fn rp() -> MockServer {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    rp
}

async fn received(rp: &MockServer) -> usize {
    rp.received_requests().await.unwrap().len()
}

fn created(sid: &str, sub: &str, clients: &[&str], expires_at: Option<&str>) -> Value {
    let mut data = json!({"sid": sid, "sub": sub, "clients": clients});
    if let Some(expires_at) = expires_at {
        data["expires_at"] = json!(expires_at);
    }
    event("session.created", data)
}

async fn accepted(app: &TestApp, event: &Value) -> Value {
    let (status, answer) = app.report(event).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    answer
}

/// It is an error that does not pass by being asked again, and says that the log knows more.
#[track_caller]
fn assert_unreadable((status, answer): (StatusCode, Value)) {
    assert_eq!((status, &answer["errorCode"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("internal_error")));
    assert!(answer["message"].as_str().unwrap().contains("the log names the row"), "{answer}");
}

/// How often rows of a table were passed over.
async fn counted(app: &TestApp, table: &str) -> u64 {
    let metrics =
        app.http.get(format!("{}/metrics", app.management)).send().await.unwrap().text().await.unwrap();
    let name = format!("logoutd_store_unreadable_rows_total{{table=\"{table}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

/// All items of a list, asked for one at a time.
async fn listed(app: &TestApp, path: &str, member: &str, id: &str) -> Vec<String> {
    let (mut found, mut from) = (Vec::new(), String::new());
    loop {
        let (status, page) = app.get(&format!("{path}?take=1{from}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        found.extend(page[member].as_array().unwrap().iter().map(|it| it[id].as_str().unwrap().to_owned()));
        assert!(found.len() < 100, "the list has no end: {found:?}");
        match page["next"].as_str() {
            Some(next) => from = format!("&from={next}"),
            None => return found,
        }
    }
}

const OVERDUE: &str = "2020-01-01T00:00:00Z";

#[tokio::test]
async fn a_session_that_cannot_be_read_stops_neither_events_nor_lists_nor_ends() {
    let rp = rp().await;
    let app = Setup::new().client("shop", &rp.uri(), "initiators = \"all\"").start().await;
    let store = StoreFile::of(&app.setup);
    for sid in ["b-1", "b-2", "b-3", "b-4"] {
        accepted(&app, &created(sid, "bob", &["shop"], None)).await;
    }
    // JSON of another shape, no UTF-8, a word that does not exist, and a key of a wrong length.
    for spoilt in
        ["participants = '[1]'", "session_metadata = CAST(x'ff' AS TEXT)", "flow = 'x'", "key = x'01'"]
    {
        let kept = store.text("SELECT hex(key) FROM sessions WHERE sid = 'b-2'").await;
        let document = store.text("SELECT participants FROM sessions WHERE sid = 'b-2'").await;
        store.spoil(&format!("UPDATE sessions SET {spoilt} WHERE sid = 'b-2'")).await;
        let before = counted(&app, "sessions").await;

        assert_unreadable(app.get("/sessions/b-2").await);
        assert_unreadable(
            app.report(&event("session.updated", json!({"sid": "b-2", "session_metadata": {}}))).await,
        );
        assert_unreadable(app.report(&created("b-2", "bob", &["shop"], None)).await);
        assert_unreadable(app.api(Method::DELETE, "/sessions/b-2", None).await);
        assert_eq!(
            listed(&app, "/users/bob/sessions", "sessions", "id").await,
            ["b-1", "b-3", "b-4"],
            "{spoilt}"
        );
        assert!(counted(&app, "sessions").await > before, "{spoilt}");

        // What waits together with it is stored.
        let reports = ["b-2", "b-1", "b-2", "b-3", "b-2", "b-4"]
            .map(|sid| event("session.client_added", json!({"sid": sid, "client_id": "shop"})));
        let answers = futures_util::future::join_all(reports.iter().map(|it| app.report(it))).await;
        let statuses: Vec<_> = answers.iter().map(|(status, _)| status.as_u16()).collect();
        assert_eq!(statuses, [500, 202, 500, 202, 500, 202], "{spoilt}");

        store
            .spoil(&format!(
                "UPDATE sessions SET key = unhex('{kept}'), participants = '{document}', flow = 'browser',
                 session_metadata = '{{}}' WHERE sid = 'b-2'"
            ))
            .await;
        assert_eq!(app.get("/sessions/b-2").await.0, StatusCode::OK, "{spoilt}");
    }

    store.spoil("UPDATE sessions SET flow = 'x' WHERE sid = 'b-2'").await;
    let end = event("session.terminated", json!({"sub": "bob", "initiator": "idp-logout"}));
    let (status, answer) = app.report_and_wait(&end, 10).await;
    assert_eq!((status, &answer["sessions"]), (StatusCode::OK, &json!(["b-1", "b-3", "b-4"])), "{answer}");
    // Mended, it can be ended too.
    store.spoil("UPDATE sessions SET flow = 'browser' WHERE sid = 'b-2'").await;
    let end = event("session.terminated", json!({"sub": "bob", "initiator": "idp-logout"}));
    let (status, answer) = app.report_and_wait(&end, 10).await;
    assert_eq!((status, &answer["sessions"]), (StatusCode::OK, &json!(["b-2"])), "{answer}");
    assert_eq!(received(&rp).await, 4);
    app.stop().await;
}

#[tokio::test]
async fn an_end_that_cannot_be_read_keeps_no_later_one_of_the_same_user_from_being_carried_out() {
    let rp = rp().await;
    let app = Setup::new().client("shop", &rp.uri(), "initiators = \"all\"").start().await;
    accepted(&app, &created("c-1", "carol", &["shop"], None)).await;
    let app = app.stop().await;
    // As a stop leaves them when there is more to end than fits into one transaction.
    let store = StoreFile::of(&app);
    let left = |initiator: &str| {
        format!(
            "INSERT INTO subject_ends (sub, ended_at, initiator, clients, exclude_clients, session_metadata, accepted_at)
             VALUES ('carol', 0, '{initiator}', '{{}}', '[]', '{{}}', 0)"
        )
    };
    for initiator in ["no-initiator", "password-changed"] {
        assert_eq!(store.change(&left(initiator)).await, 1);
    }
    let app = app.start().await;
    eventually(async || (received(&rp).await == 1).then_some(())).await;
    let unfinished = "SELECT group_concat(number) FROM subject_ends WHERE finished_at IS NULL";
    eventually(async || (store.text(unfinished).await == "1").then_some(())).await;
    assert!(counted(&app, "subject_ends").await > 0);
    app.stop().await;
}

#[tokio::test]
async fn sessions_expire_behind_more_unreadable_ones_than_are_ended_at_a_time() {
    let rp = rp().await;
    let app = Setup::new().client("shop", &rp.uri(), "initiators = \"all\"").start().await;
    accepted(&app, &created("pattern", "alice", &["shop"], Some("2999-01-01T00:00:00Z"))).await;
    let setup = app.stop().await;
    // All of them have been overdue for longer than the good one.
    let bad = StoreFile::of(&setup)
        .change(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 450)
             INSERT INTO sessions (sid, key, sub, flow, session_metadata, participants, created_at, updated_at,
                 ends_at, revision, decided)
             SELECT 'bad-' || n, randomblob(16), sub, flow, session_metadata, '{', created_at, updated_at, n, revision,
                 decided FROM sessions, n WHERE sid = 'pattern'",
        )
        .await;
    assert_eq!(bad, 450);
    let app = setup.start().await;
    for sid in ["good-1", "good-2"] {
        accepted(&app, &created(sid, "alice", &["shop"], Some(OVERDUE))).await;
    }
    eventually(async || (received(&rp).await == 2).then_some(())).await;
    assert!(counted(&app, "sessions").await >= 450);
    // One of the bad ones is mended, and ends like any other.
    StoreFile::of(&app.setup)
        .spoil("UPDATE sessions SET expires_at = 1, participants = '{\"shop\":null}' WHERE sid = 'bad-77'")
        .await;
    eventually(async || (received(&rp).await == 3).then_some(())).await;
    app.stop().await;
}

#[tokio::test]
async fn deliveries_go_out_past_those_that_cannot_be_read() {
    let rp = rp().await;
    let limits = "[delivery]\nschedule = [\"100ms\"]\ntimeout = \"1s\"\nmax_concurrency_per_client = 2";
    let setup = Setup::new().with(limits).client("shop", &rp.uri(), "enabled = false");
    let app = setup.start().await;
    let mut ids = Vec::new();
    for n in 0..12 {
        let answer = accepted(&app, &ends(&format!("s-{n:02}"), &["shop"])).await;
        ids.push(answer["deliveries"][0]["id"].as_str().unwrap().to_owned());
    }
    let setup = app.stop().await;
    let store = StoreFile::of(&setup);
    // More than are leased at a time, and the first that are due.
    for (sid, spoilt) in [
        ("s-00", "initiator = 'x'"),
        ("s-01", "session_metadata = '{'"),
        ("s-02", "sid = CAST(x'ff' AS TEXT)"),
        ("s-03", "attempts = 99999999999"),
        ("s-04", "id = x'00'"),
    ] {
        store.spoil(&format!("UPDATE deliveries SET {spoilt} WHERE sid = '{sid}'")).await;
    }

    let app = setup.without_clients().client("shop", &rp.uri(), "").start().await;
    eventually(async || (received(&rp).await == 7).then_some(())).await;
    eventually(async || {
        let (_, page) = app.get("/deliveries?state=delivered").await;
        (page["deliveries"].as_array().unwrap().len() == 7).then_some(())
    })
    .await;
    let newest_first: Vec<_> = ids[5..].iter().rev().cloned().collect();
    assert_eq!(listed(&app, "/deliveries", "deliveries", "id").await, newest_first);
    assert!(counted(&app, "deliveries").await >= 5);
    for id in &ids[..4] {
        assert_unreadable(app.get(&format!("/deliveries/{id}")).await);
    }
    assert_unreadable(app.report(&ends("s-04", &["shop"])).await);

    // Mended, it goes out: at the next look of its own accord, or at once.
    store.spoil("UPDATE deliveries SET initiator = 'rp-logout' WHERE initiator = 'x'").await;
    let path = format!("/deliveries/{}/redeliver", ids[0]);
    assert_eq!(app.api(Method::POST, &path, None).await.0, StatusCode::ACCEPTED);
    eventually(async || (received(&rp).await == 8).then_some(())).await;
    app.stop().await;
}

#[tokio::test]
async fn unreadable_deliveries_whose_time_runs_out_end_like_the_others() {
    let rp = rp().await;
    let app = Setup::new().client("shop", &rp.uri(), "enabled = false").start().await;
    for sid in ["s-1", "s-2"] {
        accepted(&app, &ends(sid, &["shop"])).await;
    }
    let store = StoreFile::of(&app.setup);
    store.spoil("UPDATE deliveries SET client_id = CAST(x'ff' AS TEXT) WHERE sid = 's-1'").await;
    assert_eq!(store.change("UPDATE deliveries SET expires_at = 1").await, 2);
    let states = "SELECT group_concat(DISTINCT state) FROM deliveries";
    eventually(async || (store.text(states).await == "discarded").then_some(())).await;
    // What looks after the queue went on, too.
    eventually(async || (counted(&app, "deliveries").await > 0).then_some(())).await;
    app.stop().await;
}

#[tokio::test]
async fn a_client_that_cannot_be_read_stops_no_other_and_its_deliveries_wait() {
    let rp = rp().await;
    let app = Setup::new().client("shop", &rp.uri(), "").start().await;
    for client_id in ["blog", "wiki", "zine"] {
        let client = json!({"client_id": client_id, "id_token_signed_response_alg": "ES256",
            "oidc_logout": {"backchannel_logout_urls": [rp.uri()]}});
        let (status, answer) = app.api(Method::POST, "/clients", Some(client)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
    }
    accepted(&app, &created("s-1", "alice", &["shop", "wiki"], None)).await;
    let store = StoreFile::of(&app.setup);
    let document = store.text("SELECT document FROM clients WHERE client_id = 'wiki'").await;
    store.spoil("UPDATE clients SET document = '{' WHERE client_id = 'wiki'").await;
    // It starts beside it.
    let app = app.stop().await.start().await;
    let before = counted(&app, "clients").await;

    let end = event("session.terminated", json!({"sid": "s-1", "initiator": "rp-logout"}));
    accepted(&app, &end).await;
    eventually(async || (received(&rp).await == 1).then_some(())).await;
    let (_, answer) = app.report(&end).await;
    let of = |client: &str, state: &str| (client.to_owned(), state.to_owned());
    assert_eq!(states(&answer)[1], of("wiki", "pending"));
    accepted(&app, &ends("s-2", &["blog"])).await;
    eventually(async || (received(&rp).await == 2).then_some(())).await;

    assert_eq!(listed(&app, "/clients", "clients", "client_id").await, ["blog", "shop", "zine"]);
    for filter in ["?app_type=spa", "?is_first_party=true", "?page=0&per_page=2&include_totals=true"] {
        assert_eq!(app.get(&format!("/clients{filter}")).await.0, StatusCode::OK, "{filter}");
    }
    assert_unreadable(app.get("/clients/wiki").await);
    // The audit trail has the names of clients, and the keyring asks for their algorithms.
    assert_eq!(app.get("/logs").await.0, StatusCode::OK);
    let change = Some(json!({"client_name": "Zine"}));
    assert_eq!(app.api(Method::PATCH, "/clients/zine", change).await.0, StatusCode::OK);
    assert!(counted(&app, "clients").await > before);

    // Mended, it is told of what ended meanwhile.
    store.spoil(&format!("UPDATE clients SET document = '{document}' WHERE client_id = 'wiki'")).await;
    let outcome = eventually(async || {
        let (_, answer) = app.report_and_wait(&end, 10).await;
        (states(&answer)[1].1 == "delivered").then(|| states(&answer))
    })
    .await;
    assert_eq!(outcome, [of("shop", "delivered"), of("wiki", "delivered")]);
    assert_eq!(received(&rp).await, 3);
    app.stop().await;
}

#[tokio::test]
async fn what_was_accepted_and_attempted_is_shown_past_what_cannot_be_read() {
    let rp = rp().await;
    let app = Setup::new().client("shop", &rp.uri(), "").start().await;
    let (first, second) = (ends("s-1", &["shop"]), ends("s-2", &["shop"]));
    for end in [&first, &second] {
        assert_eq!(app.outcome(end, 10).await[0].1, "delivered");
    }
    let store = StoreFile::of(&app.setup);
    let id = first["id"].as_str().unwrap();
    store.spoil(&format!("UPDATE events SET receipt = '{{' WHERE id = '{id}'")).await;
    assert_eq!(store.change("UPDATE attempts SET jti = x'01'").await, 2);

    // What was answered to it is not known any more; it is not acted on again.
    assert_unreadable(app.report(&first).await);
    assert_eq!(app.report(&second).await.1["duplicate"], true);
    let delivery = listed(&app, "/deliveries", "deliveries", "id").await.remove(0);
    let (status, delivery) = app.get(&format!("/deliveries/{delivery}")).await;
    assert_eq!(
        (status, &delivery["attempts"], &delivery["attempts_made"]),
        (StatusCode::OK, &json!([]), &json!(1))
    );
    for table in ["events", "attempts"] {
        assert!(counted(&app, table).await > 0, "{table}");
    }
    assert_eq!(received(&rp).await, 2);
    app.stop().await;
}

#[tokio::test]
async fn a_redelivery_job_goes_past_a_job_and_deliveries_that_cannot_be_read() {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(400)).mount(&rp).await;
    let app = Setup::new().client("shop", &rp.uri(), "").start().await;
    for sid in ["s-1", "s-2", "s-3"] {
        assert_eq!(app.outcome(&ends(sid, &["shop"]), 10).await[0].1, "rejected");
    }
    let store = StoreFile::of(&app.setup);
    store.spoil("UPDATE deliveries SET initiator = 'x' WHERE sid = 's-2'").await;
    store
        .spoil("INSERT INTO redelivery_jobs (id, filter, until, matched, created_at) VALUES (zeroblob(16), '{', x'ff', 1, 1)")
        .await;
    rp.reset().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;

    let wanted = Some(json!({"client_id": "shop"}));
    let (status, job) = app.api(Method::POST, "/deliveries/redeliver", wanted).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{job}");
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    eventually(async || (app.get(&path).await.1["status"] == "completed").then_some(())).await;
    eventually(async || (received(&rp).await == 2).then_some(())).await;
    assert_unreadable(app.get("/jobs/00000000-0000-0000-0000-000000000000").await);
    for table in ["redelivery_jobs", "deliveries"] {
        assert!(counted(&app, table).await > 0, "{table}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_breaker_that_cannot_be_read_is_closed() {
    let rp = rp().await;
    let app = Setup::new().client("shop", &rp.uri(), "").client("blog", &rp.uri(), "").start().await;
    let store = StoreFile::of(&app.setup);
    store.spoil("INSERT INTO breakers VALUES ('shop', 1, 99999999999999, 99999999999)").await;
    let app = app.stop().await.start().await;
    for client in ["shop", "blog"] {
        assert_eq!(app.outcome(&ends("s-1", &[client]), 10).await[0].1, "delivered");
    }
    assert_eq!(app.get("/breakers").await.0, StatusCode::OK);
    assert!(counted(&app, "breakers").await > 0);
    app.stop().await;
}

#[tokio::test]
async fn the_audit_trail_is_read_past_what_cannot_be() {
    let rp = rp().await;
    let app = Setup::new().client("shop", &rp.uri(), "").start().await;
    for client_id in ["a", "b", "c", "d"] {
        let (status, _) = app
            .api(
                Method::POST,
                "/clients",
                Some(json!({"client_id": client_id, "id_token_signed_response_alg": "ES256"})),
            )
            .await;
        assert_eq!(status, StatusCode::CREATED);
    }
    assert_eq!(app.outcome(&ends("s-1", &["shop"]), 10).await[0].1, "delivered");
    let store = StoreFile::of(&app.setup);
    assert_eq!(store.change("UPDATE audit_log SET event = '{' WHERE client_id IN ('b', 'c')").await, 2);
    store.spoil("UPDATE deliveries SET initiator = 'x'").await;

    let (status, logs) = app.get("/logs").await;
    assert_eq!((status, logs.as_array().unwrap().len()), (StatusCode::OK, 2), "{logs}");
    // From one checkpoint to the next, until it is old enough to be shown.
    let seen = eventually(async || {
        let (mut seen, mut from) = (BTreeSet::new(), String::new());
        loop {
            let (_, page) = app.get(&format!("/logs?take=1{from}")).await;
            let Some(entry) = page.as_array().unwrap().first() else { break };
            seen.insert(entry["client_id"].as_str().unwrap().to_owned());
            from = format!("&from={}", entry["log_id"].as_str().unwrap());
        }
        (seen.len() == 2).then_some(seen)
    })
    .await;
    assert_eq!(seen, BTreeSet::from(["a".to_owned(), "d".to_owned()]));
    let id = store.text("SELECT printf('%013d', at) FROM audit_log WHERE client_id = 'b'").await;
    let uuid = store.text("SELECT hex(id) FROM audit_log WHERE client_id = 'b'").await;
    let uuid = u128::from_str_radix(&uuid, 16).unwrap();
    assert_unreadable(app.get(&format!("/logs/{id}{uuid:039}")).await);
    for table in ["audit_log", "deliveries"] {
        assert!(counted(&app, table).await > 0, "{table}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_token_that_cannot_be_read_can_be_revoked_and_shuts_out_no_other() {
    let setup = Setup::new();
    let config = setup.write();
    let tokens = |arguments: &[&str]| {
        let output = logoutd().arg("tokens").args(arguments).arg("--config").arg(&config).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let make = |name: &str| -> Value {
        let (code, token) = tokens(&["create", "--json", "--name", name, "--scope", "read:deliveries"]);
        assert_eq!(code, Some(0));
        serde_json::from_str(&token).unwrap()
    };
    let (good, bad) = (make("good"), make("bad"));
    let store = StoreFile::of(&setup);
    store.spoil("UPDATE api_tokens SET scopes = CAST(x'ff' AS TEXT) WHERE name = 'bad'").await;

    let app = setup.start().await;
    let status = async |token: &Value| {
        let request = app.http.get(format!("{}/api/v2/deliveries", app.management));
        app.send(request.bearer_auth(token["token"].as_str().unwrap())).await.0
    };
    assert_eq!(status(&good).await, StatusCode::OK);
    assert!(!status(&bad).await.is_success());
    assert!(counted(&app, "api_tokens").await > 0);
    let _folder = app.stop().await;
    let (code, list) = tokens(&["list"]);
    assert_eq!(code, Some(0));
    assert!(list.contains("good") && !list.contains("bad"), "{list}");
    tokens(&["revoke", bad["id"].as_str().unwrap()]);
    assert_eq!(store.text("SELECT typeof(revoked_at) FROM api_tokens WHERE name = 'bad'").await, "integer");
}

#[tokio::test]
async fn the_log_names_the_row_once_and_nothing_that_is_in_it() {
    let rp = rp().await;
    let setup = Setup::new().client("shop", &rp.uri(), "initiators = \"all\"");
    let config = setup.write();
    let serve = Serve::start(&config);
    let report = async |serve: &Serve, event: &Value| {
        let request = http().post(format!("{}/events", serve.server)).bearer_auth(TOKEN);
        let request = request.header("content-type", "application/cloudevents+json").body(event.to_string());
        assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
    };
    report(&serve, &created("bad", "alice-the-user", &["shop"], Some("2999-01-01T00:00:00Z"))).await;
    let store = StoreFile::of(&setup);
    store
        .spoil("UPDATE sessions SET participants = '{\"secret-value\":7}', ends_at = 1 WHERE sid = 'bad'")
        .await;
    // Expiry comes past it each time that it ends another.
    for n in 1..=3 {
        report(&serve, &created(&format!("good-{n}"), "bob", &["shop"], Some(OVERDUE))).await;
        eventually(async || (received(&rp).await == n).then_some(())).await;
    }
    let asked = http().get(format!("{}/api/v2/sessions/bad", serve.management)).bearer_auth(TOKEN);
    assert_eq!(asked.send().await.unwrap().status(), 500);

    let key = store.text("SELECT lower(hex(key)) FROM sessions WHERE sid = 'bad'").await;
    let log =
        eventually(async || Some(serve.log()).filter(|log| log.contains("a request failed at the store")))
            .await;
    let named: Vec<_> = log.lines().filter(|line| line.contains("is skipped until it is repaired")).collect();
    let [line] = named[..] else { panic!("not named once: {named:#?}") };
    for part in ["\"table\":\"sessions\"", &format!("\"row\":\"{key}\""), "\"column\":\"participants\""] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let request = log.lines().find(|line| line.contains("a request failed at the store")).unwrap();
    assert!(request.contains(&key), "{request}");
    for secret in ["alice-the-user", "secret-value"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    serve.kill();
}
