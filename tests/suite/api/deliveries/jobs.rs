//! Redelivery by filter when there is much of it: jobs take turns, are bounded, and count as they go.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::support::app::{Setup, TestApp};
use crate::support::eventually;

/// As `MAX_UNFINISHED_JOBS` has it.
const MOST: usize = 100;

/// A service with a client that nothing is delivered to for now, so that what is put back into the queue stays there.
fn setup() -> Setup {
    let disabled = "enabled = false";
    Setup::new().client("big", "https://big.example.com/logout", disabled).client(
        "small",
        "https://small.example.com/logout",
        disabled,
    )
}

async fn store(setup: &Setup) -> SqliteConnection {
    SqliteConnectOptions::new().filename(setup.folder.path().join("store.db")).connect().await.unwrap()
}

/// Makes the store, and puts so many dead letters of `client` into it. Their ids are in the order of their numbers,
/// which begin at `first`.
async fn with_dead_letters(setup: Setup, client: &str, first: u32, count: u32) -> Setup {
    let setup = setup.start().await.stop().await;
    let mut store = store(&setup).await;
    sqlx::query(
        "WITH RECURSIVE numbers (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1 + ?2)
         INSERT INTO deliveries (id, sub, sub_is_public, client_id, initiator, session_metadata, state, created_at,
             due_at, expires_at, settled_at)
         SELECT unhex(printf('%012x7000800000000000%04x', 1700000000000 + n, 0)), 'alice', 1, ?3, 'rp-logout', '{}',
             'rejected', 1700000000000 + n, 0, 0, 1800000000000 FROM numbers",
    )
    .bind(first)
    .bind(count)
    .bind(client)
    .execute(&mut store)
    .await
    .unwrap();
    store.close().await.unwrap();
    setup
}

async fn redeliver(app: &TestApp, filter: Value) -> (StatusCode, Value) {
    app.api(Method::POST, "/deliveries/redeliver", Some(filter)).await
}

async fn job(app: &TestApp, job: &Value) -> Value {
    app.get(&format!("/jobs/{}", job["id"].as_str().unwrap())).await.1
}

async fn completed(app: &TestApp, begun: &Value) -> Value {
    eventually(async || {
        let job = job(app, begun).await;
        (job["status"] == "completed").then_some(job)
    })
    .await
}

#[tokio::test]
async fn what_matches_nothing_is_complete_at_once() {
    let app = setup().start().await;
    // More than may be unfinished: none of them waits for anything.
    for _ in 0..MOST + 20 {
        let (status, begun) = redeliver(&app, json!({"client_id": "small"})).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{begun}");
        assert_eq!((&begun["status"], &begun["percentage_done"]), (&json!("completed"), &json!(100)));
        assert_eq!((&begun["matched"], &begun["matched_is_final"]), (&json!(0), &json!(true)));
        assert!(begun["completed_at"].is_string());
        let later = job(&app, &begun).await;
        assert_eq!((&later["id"], &later["status"]), (&begun["id"], &json!("completed")));
    }
    app.stop().await;
}

#[tokio::test]
async fn jobs_take_turns_and_count_as_they_go() {
    const BIG: u32 = 30_000;
    let setup = with_dead_letters(setup(), "big", 0, BIG).await;
    let app = with_dead_letters(setup, "small", BIG, 1).await.start().await;
    let (_, big) = redeliver(&app, json!({"client_id": "big"})).await;
    assert_eq!((&big["status"], &big["matched_is_final"]), (&json!("processing"), &json!(false)));
    // No more than a few thousand are looked at for an answer.
    assert_eq!(big["matched"], 5_000);
    let (_, small) = redeliver(&app, json!({"client_id": "small"})).await;
    assert_eq!((&small["matched"], &small["matched_is_final"]), (&json!(0), &json!(false)));
    let small = completed(&app, &small).await;
    assert_eq!((&small["matched"], &small["redelivered"]), (&json!(1), &json!(1)));
    let meanwhile = job(&app, &big).await;
    assert_eq!(meanwhile["status"], "processing", "the small one waited for the big one: {meanwhile}");
    assert!(meanwhile["percentage_done"].as_u64().unwrap() < 100);

    let big = completed(&app, &big).await;
    assert_eq!((&big["matched"], &big["redelivered"]), (&json!(BIG), &json!(BIG)));
    assert_eq!((&big["skipped"], &big["matched_is_final"]), (&json!(0), &json!(true)));
    let (_, page) = app.get("/deliveries?state=rejected&take=1").await;
    assert_eq!(page["deliveries"], json!([]));
    app.stop().await;
}

/// A job whose filter cannot be read.
async fn add_damaged_job(store: &mut SqliteConnection, number: usize) {
    sqlx::query("INSERT INTO redelivery_jobs (id, filter, until, matched, created_at) VALUES (unhex(?), '{', ?, 1, 0)")
        .bind(format!("{number:032x}"))
        .bind(vec![255_u8; 16])
        .execute(store)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_damaged_job_stops_no_other_and_so_many_are_taken() {
    let setup = with_dead_letters(setup(), "small", 0, 1).await;
    let mut store = store(&setup).await;
    for n in 0..MOST - 1 {
        add_damaged_job(&mut store, n).await;
    }
    store.close().await.unwrap();
    let app = setup.start().await;
    let (status, begun) = redeliver(&app, json!({"client_id": "small"})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{begun}");
    assert_eq!(completed(&app, &begun).await["redelivered"], 1);

    // One more that cannot go on, and there is no room for another.
    let setup = with_dead_letters(app.stop().await, "big", 10, 1).await;
    let mut store = self::store(&setup).await;
    add_damaged_job(&mut store, MOST).await;
    store.close().await.unwrap();
    let app = setup.start().await;
    let (status, answer) = redeliver(&app, json!({"client_id": "big"})).await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::TOO_MANY_REQUESTS, &json!("too_many_jobs")));
    assert!(answer["message"].as_str().unwrap().contains("100 unfinished redelivery jobs"), "{answer}");
    let (_, page) = app.get("/deliveries?client_id=big").await;
    assert_eq!(page["deliveries"][0]["state"], "rejected");
    app.stop().await;
}
