//! What an entry of the audit trail is about: the id of it, whole.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::app::Setup;
use crate::support::event;

/// The longest id there can be, in as many bytes as it can have, percent-encoded to three times that; the last
/// character tells two of them apart.
fn longest(last: char) -> String {
    format!("{}{last}", "𝔞".repeat(254))
}

#[tokio::test]
async fn an_entry_names_its_object_however_long_that_is() {
    let app = Setup::new().client("shop", "https://shop.example.com/logout", "enabled = false").start().await;
    for last in ['a', 'b'] {
        let sid = longest(last);
        let created = json!({"sid": sid, "sub": "alice", "clients": ["shop"]});
        assert_eq!(app.report(&event("session.created", created)).await.0, StatusCode::ACCEPTED);
        let encoded = sid.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let (status, answer) = app.api(Method::DELETE, &format!("/sessions/{encoded}"), None).await;
        assert!(status.is_success(), "{answer}");
    }
    app.api(Method::DELETE, "/users/alice/sessions", None).await;
    let (_, entries) = app.get("/logs?per_page=3").await;
    let object = |index: usize| entries[index]["details"]["object"].clone();
    assert_eq!(object(0), json!(null), "users are not named: {}", entries[0]);
    assert_eq!(object(1), json!({"id": longest('b')}));
    assert_eq!(object(2), json!({"id": longest('a')}));
    app.stop().await;
}
