//! What the tests share.

pub mod app;
pub mod authority;
pub mod h2_rp;
pub mod intake;
pub mod process;
pub mod raw_h2_rp;
pub mod raw_rp;
pub mod shell;
pub mod store_file;
pub mod tls_rp;
pub mod validator;

use std::time::Duration;

use serde_json::{Value, json};

/// The API token of every test's service.
pub const TOKEN: &str = "a-bootstrap-token-for-tests";

/// The issuer of every test's tokens.
pub const ISSUER: &str = "https://op.example.com";

/// An event, with an id of its own.
#[expect(clippy::needless_pass_by_value, reason = "it is called with `json!` all over the suite")]
pub fn event(r#type: &str, data: Value) -> Value {
    let id = uuid::Uuid::new_v4();
    json!({"specversion": "1.0", "id": id, "source": "https://op.example.com", "type": r#type, "data": data})
}

/// The end of a session nobody reported, at these clients.
pub fn ends(sid: &str, clients: &[&str]) -> Value {
    event(
        "session.terminated",
        json!({"sid": sid, "sub": "alice", "initiator": "rp-logout", "clients": clients}),
    )
}

/// A client for the tests themselves.
pub fn http() -> reqwest::Client {
    http_builder().build().unwrap()
}

/// The same, to be told more.
pub fn http_builder() -> reqwest::ClientBuilder {
    // Whoever was first has installed ring too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}

/// Tries again until it succeeds; the test's own timeout is what ends it otherwise.
pub async fn eventually<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = attempt().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not happen within 30 seconds");
}
