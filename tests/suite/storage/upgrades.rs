//! A store that an earlier release left behind.

use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::support::app::{Setup, TestApp};

/// As the first release left it: it kept the digest of an event's own JSON form, and nothing of who reported it.
const SCHEMA_1: &str = include_str!("stores/schema-1.sql");

fn event(id: &str, r#type: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "source": "https://op.example.com", "id": id, "type": r#type, "data": data})
}

/// What the earlier release had accepted.
fn accepted_before() -> [Value; 5] {
    let created = json!({
        "sid": "s-1", "sub": "alice", "clients": ["shop", {"client_id": "blog", "sub": "p-1"}],
        "session_metadata": {"org_id": "org_1", "device": "phone"}, "flow": "browser",
        "authenticated_at": "2026-01-02T03:04:05.5Z", "idle_expires_at": "2099-01-02T03:04:05Z",
        "expires_at": "2099-06-02T03:04:05Z"
    });
    let updated = json!({"sid": "s-1", "session_metadata": {}, "expires_at": "2099-06-03T03:04:05Z"});
    let terminated = json!({
        "sid": "s-0", "sub": "bob", "initiator": "rp-logout", "clients": ["shop"], "exclude_clients": ["blog"],
        "session_metadata": {"a": "b"}
    });
    [
        event("old-1", "session.created", &created),
        event("old-2", "session.client_added", &json!({"sid": "s-1", "client_id": "blog", "sub": "p-2"})),
        event("old-3", "session.updated", &updated),
        event("old-4", "session.terminated", &terminated),
        event("old-5", "session.terminated", &json!({"sub": "bob", "initiator": "password-changed"})),
    ]
}

async fn upgraded() -> TestApp {
    let setup = Setup::new();
    let file = setup.folder.path().join("store.db");
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let mut store: SqliteConnection = options.connect().await.unwrap();
    sqlx::raw_sql(SCHEMA_1).execute(&mut store).await.unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    let recently = AssertSqlSafe(format!("UPDATE events SET received_at = {now}"));
    sqlx::raw_sql(recently).execute(&mut store).await.unwrap();
    store.close().await.unwrap();
    let unreachable = "http://127.0.0.1:9/logout";
    setup.client("shop", unreachable, "").client("blog", unreachable, "").start().await
}

#[tokio::test]
async fn what_was_accepted_before_an_upgrade_is_known_after_it() {
    let app = upgraded().await;
    for event in accepted_before() {
        for _ in 0..2 {
            let (status, answer) = app.report(&event).await;
            let known = (&answer["id"], &answer["duplicate"]);
            assert_eq!((status, known), (StatusCode::ACCEPTED, (&event["id"], &json!(true))), "{answer}");
        }
    }
    let told = app.report(&accepted_before()[3]).await.1;
    assert_eq!(told["deliveries"][0]["id"], "01a2208b-abc9-7195-99ec-3678e4a4c60e", "{told}");
    let (_, session) = app.get("/sessions/s-1").await;
    assert_eq!(session["session_metadata"], json!({}), "nothing was done again: {session}");
    app.stop().await;
}

/// Nobody knows who reported what was accepted then: it keeps nobody's event out.
#[tokio::test]
async fn an_id_of_before_an_upgrade_drops_nothing_that_says_something_else() {
    let app = upgraded().await;
    let [_, _, _, terminated, _] = accepted_before();
    let mut other = terminated.clone();
    other["data"]["clients"] = json!(["shop", "blog"]);
    other["data"]["exclude_clients"] = json!([]);
    let (status, answer) = app.report(&other).await;
    assert_eq!((status, &answer["duplicate"]), (StatusCode::ACCEPTED, &json!(false)), "{answer}");
    // From now on it is this reporter's.
    assert_eq!(app.report(&other).await.1["duplicate"], true);
    other["data"]["clients"] = json!(["blog"]);
    let (status, answer) = app.report(&other).await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::CONFLICT, &json!("event_id_reused")), "{answer}");
    app.stop().await;
}
