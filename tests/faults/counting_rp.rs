//! Relying parties on one listener, a path for each client: every request is remembered, and answered as the
//! test says. It reads tokens and does not verify them, which is the suite's business.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::net::TcpListener;

/// A request, as it is remembered.
#[derive(Clone, Debug)]
pub struct Heard {
    pub client: String,
    pub sid: String,
    pub jti: String,
    /// Its place among the requests of this client and session, from 1.
    pub number: usize,
    /// How far the token's `iat` is ahead of the real clock, in seconds.
    pub ahead: i64,
    pub at: Instant,
    /// What it was answered. A request that was cut off first has no answer.
    pub answered: Option<u16>,
}

/// The relying parties.
pub struct CountingRp {
    address: SocketAddr,
    memory: Memory,
}

impl CountingRp {
    /// Starts them. `answer` gives the status for a request, as soon as the test wants it answered.
    pub async fn start<F>(answer: impl Fn(Heard) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = u16> + Send + 'static,
    {
        let memory = Memory::default();
        let remembered = memory.clone();
        let receive = async move |Path(client): Path<String>, body: String| {
            let (index, heard) = remembered.receive(client, &body);
            let status = answer(heard).await;
            remembered.answered(index, status);
            StatusCode::from_u16(status).unwrap()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/{client}", post(receive));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, memory }
    }

    /// The logout URI of a client.
    pub fn uri(&self, client: &str) -> String {
        format!("http://{}/{client}", self.address)
    }

    /// Every request so far, oldest first.
    pub fn heard(&self) -> Vec<Heard> {
        self.memory.0.lock().unwrap().requests.clone()
    }

    /// How many requests came for this client and session.
    pub fn count(&self, client: &str, sid: &str) -> usize {
        let memory = self.memory.0.lock().unwrap();
        memory.numbers.get(&(client.to_owned(), sid.to_owned())).copied().unwrap_or(0)
    }
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Requests>>);

#[derive(Default)]
struct Requests {
    requests: Vec<Heard>,
    numbers: HashMap<(String, String), usize>,
}

impl Memory {
    fn receive(&self, client: String, body: &str) -> (usize, Heard) {
        let claims = claims(body);
        let text = |name: &str| claims[name].as_str().unwrap().to_owned();
        let (sid, jti) = (text("sid"), text("jti"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let ahead = claims["iat"].as_i64().unwrap() - i64::try_from(now).unwrap();

        let mut memory = self.0.lock().unwrap();
        let number = memory.numbers.entry((client.clone(), sid.clone())).or_default();
        *number += 1;
        let heard = Heard { number: *number, client, sid, jti, ahead, at: Instant::now(), answered: None };
        memory.requests.push(heard.clone());
        (memory.requests.len() - 1, heard)
    }

    fn answered(&self, index: usize, status: u16) {
        self.0.lock().unwrap().requests[index].answered = Some(status);
    }
}

fn claims(body: &str) -> Value {
    let token = body.strip_prefix("logout_token=").expect("the body is exactly logout_token=<jwt>");
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}
