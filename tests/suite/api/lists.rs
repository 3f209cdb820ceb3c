//! Lists over many rows: each looks at a bounded number, and none keeps anybody else waiting.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tokio::sync::Notify;

use crate::access::made_as;
use crate::support::app::{Setup, TestApp};
use crate::support::shell::Shell;
use crate::support::{TOKEN, event};

/// More than a page of either list looks at.
const DELIVERIES: u32 = 25_000;

/// When they were made, one in each millisecond: 2023-11-14T22:13:20Z.
const START: i64 = 1_700_000_000_000;

/// Fills the store beside the service with deliveries of `shop`, the oldest of which is another initiator's, and
/// the second of which is that of `blog`.
async fn fill(folder: &Path) {
    let options = SqliteConnectOptions::new().filename(folder.join("store.db"));
    let store = SqlitePool::connect_with(options).await.unwrap();
    let statement = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {DELIVERIES})
         INSERT INTO deliveries (id, sid, sub, sub_is_public, client_id, initiator, session_metadata, state,
             created_at, due_at, expires_at, settled_at)
         SELECT unhex(format('%012x70008000000000000000', {START} + n)), 's-' || n, 'alice', 1,
             iif(n = 2, 'blog', 'shop'), iif(n = 1, 'account-deleted', 'rp-logout'), '{{}}', 'delivered',
             {START} + n, {START} + n, {START} + n, {START} + n
         FROM n"
    );
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&store).await.unwrap();
    store.close().await;
}

/// A service that keeps what is as old as this.
async fn filled() -> TestApp {
    let app = Setup::new().with_store_setting("retention = \"3650d\"").start().await;
    fill(app.setup.folder.path()).await;
    app
}

/// Every page to the last: how many deliveries each has.
async fn pages(app: &TestApp, query: &str) -> Vec<usize> {
    let (mut pages, mut from) = (Vec::new(), String::new());
    loop {
        let (status, page) = app.get(&format!("/deliveries?{query}{from}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        pages.push(page["deliveries"].as_array().unwrap().len());
        assert!(pages.len() < 1000, "it does not end");
        match page["next"].as_str() {
            Some(next) => from = format!("&from={next}"),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn a_page_of_deliveries_looks_at_ten_thousand() {
    let app = filled().await;
    assert_eq!(pages(&app, "initiator=account-deleted").await, [0, 0, 1]);
    assert_eq!(pages(&app, "client_id=blog&state=delivered,pending").await, [0, 0, 1]);
    // What the times leave out is not looked at.
    assert_eq!(pages(&app, "client_id=blog&created_before=2023-11-14T22:13:25Z").await, [1]);
    let since = "created_after=2023-11-14T22:13:44.901Z";
    assert_eq!(pages(&app, &format!("{since}&initiator=rp-logout&take=60")).await, [60, 40]);
    assert_eq!(pages(&app, "state=rejected&client_id=shop").await, [0]);
    assert_eq!(pages(&app, "sid=s-1").await, [0], "no session has it");

    // From the shell nobody has to go on by hand.
    let shell = Shell::of(&app);
    let shown = tokio::task::spawn_blocking(move || {
        shell.ok(&["deliveries", "list", "--initiator", "account-deleted"])
    });
    let shown = shown.await.unwrap();
    assert!(shown.contains("account-deleted"), "{shown}");
    app.stop().await;
}

#[tokio::test]
async fn a_checkpoint_of_the_audit_trail_goes_on_past_what_does_not_match() {
    let app = filled().await;
    let (mut found, mut pages) = (0, 0);
    let mut next = "/logs?client_id=blog&take=100".to_owned();
    // The entry of `blog` is among the first, and nothing after it matches.
    for _ in 0..4 {
        let request = app.http.get(format!("{}/api/v2{next}", app.management)).bearer_auth(TOKEN);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let link = response.headers()["link"].to_str().unwrap().to_owned();
        let entries: Vec<Value> = response.json().await.unwrap();
        (found, pages) = (found + entries.len(), pages + 1);
        let link = link.strip_prefix("</api/v2").unwrap();
        let after = link.strip_suffix(">; rel=\"next\"").unwrap().to_owned();
        if after == next {
            break;
        }
        next = after;
    }
    assert_eq!((found, pages), (1, 2), "the second page begins where the first stopped looking, {next}");
    app.stop().await;
}

/// How many lists one caller asks for at a time.
const LISTS: usize = 64;

/// Has so many lists read, by turns for each of these tokens, runs `other` when the first is answered, and returns how
/// many were when it is done.
async fn while_lists_are_read(app: &Arc<TestApp>, tokens: &[&str], other: impl Future<Output = ()>) -> usize {
    let answered = Arc::new(AtomicUsize::new(0));
    let first = Arc::new(Notify::new());
    let mut lists = tokio::task::JoinSet::new();
    for number in 0..LISTS {
        // Each goes through all there are.
        let sort = if number % 2 == 0 { "date:1" } else { "date:-1" };
        let url = format!("{}/api/v2/logs?client_id=nobody&sort={sort}&include_totals=true", app.management);
        let request = app.http.get(url).bearer_auth(tokens[number / 2 % tokens.len()]);
        let (answered, first) = (Arc::clone(&answered), Arc::clone(&first));
        lists.spawn(async move {
            let response = request.send().await.unwrap();
            let (status, logs): (_, Value) = (response.status(), response.json().await.unwrap());
            answered.fetch_add(1, Ordering::SeqCst);
            first.notify_one();
            assert_eq!((status, &logs["total"]), (StatusCode::OK, &json!(0)), "{logs}");
        });
    }
    // They are all there when the first is answered, or nearly so. Told and not looked for: on a busy machine half of them
    // are answered between two looks.
    first.notified().await;
    other.await;
    let before = answered.load(Ordering::SeqCst);
    while let Some(list) = lists.join_next().await {
        list.unwrap();
    }
    before
}

fn token(app: &TestApp, name: &str, scope: &str) -> String {
    made_as(&app.setup.write(), name, &[scope], &[]).secret
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_does_not_wait_for_lists() {
    let app = Arc::new(filled().await);
    // Two callers, each with its turns at lists: together they leave no connection free that lists are read by.
    let (secret, reader) = (token(&app, "op", "create:events"), token(&app, "reader", "read:logs"));
    let created = event("session.created", json!({"sid": "s-1", "sub": "alice"}));
    let before = while_lists_are_read(&app, &[TOKEN, &reader], async {
        let request = app.http.post(format!("{}/events", app.server)).bearer_auth(&secret);
        let request =
            request.header("content-type", "application/cloudevents+json").body(created.to_string());
        assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
    })
    .await;
    assert!(before < LISTS / 2, "{before} of {LISTS} lists were answered before the event");
    Arc::into_inner(app).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_does_not_wait_for_those_of_another_caller() {
    let app = Arc::new(filled().await);
    let secret = token(&app, "other", "read:deliveries");
    let before = while_lists_are_read(&app, &[TOKEN], async {
        // One after the other: a list of the flood is read in several pieces, and each may have to wait behind all of it.
        for _ in 0..8 {
            let request = app.http.get(format!("{}/api/v2/deliveries?take=1", app.management));
            assert_eq!(request.bearer_auth(&secret).send().await.unwrap().status(), StatusCode::OK);
        }
    })
    .await;
    assert!(before < LISTS / 2, "{before} of {LISTS} lists were answered before that of another caller");
    Arc::into_inner(app).unwrap().stop().await;
}
