//! What is older than `store.retention` goes, and what is not finished stays.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::Setup;
use crate::support::{TOKEN, ends, event, eventually};

#[tokio::test]
async fn what_is_finished_goes_after_its_retention_and_what_waits_stays() {
    let (healthy, down) = (MockServer::start().await, MockServer::start().await);
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&healthy).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).mount(&down).await;
    let app = Setup::new()
        .with("[delivery]\nschedule = [\"1h\"]")
        .client("shop", &healthy.uri(), "")
        .client("wiki", &down.uri(), "")
        .start()
        .await;
    let (finished, waiting) = (ends("s-1", &["shop"]), ends("s-2", &["wiki"]));
    assert_eq!(app.outcome(&finished, 10).await[0].1, "delivered");
    app.report(&waiting).await;
    app.report(&event("session.created", json!({"sid": "lives", "sub": "bob"}))).await;
    let delivery = app.get("/deliveries?state=delivered").await.1["deliveries"][0]["id"].clone();
    let revoke = format!("{}/api/v2/sessions/gone/revoke", app.management);
    app.report(&event("session.created", json!({"sid": "gone", "sub": "carol"}))).await;
    assert_eq!(app.send(app.http.post(revoke).bearer_auth(TOKEN)).await.0, StatusCode::ACCEPTED);
    assert_eq!(app.get("/logs?type=sapi,sslo").await.1.as_array().unwrap().len(), 2);

    // Everything so far is older than that when the service is back.
    let setup = app.stop().await.with_store_setting("retention = \"1s\"");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let app = setup.start().await;
    eventually(async || {
        let (status, _) = app.get(&format!("/deliveries/{}", delivery.as_str().unwrap())).await;
        (status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    eventually(async || (app.get("/logs?type=sapi,sslo").await.1 == json!([])).then_some(())).await;
    let (_, page) = app.get("/deliveries").await;
    let left = page["deliveries"].as_array().unwrap();
    assert_eq!(left.len(), 1, "{page}");
    assert_eq!((&left[0]["client_id"], &left[0]["state"]), (&json!("wiki"), &json!("pending")));
    assert_eq!(app.get("/sessions/lives").await.0, StatusCode::OK);
    // Of a user whose sessions are gone, and of an event, nothing is known any more.
    let unknown = event("session.terminated", json!({"sub": "carol", "initiator": "rp-logout"}));
    assert_eq!(app.report(&unknown).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, answer) = app.report(&finished).await;
    assert_eq!((status, &answer["duplicate"]), (StatusCode::ACCEPTED, &json!(false)));
    app.stop().await;
}
