//! The process itself: answers 200, counts, and notes the time where it is told to.
//!
//! Tokens are decoded only when the bench asks what came, after the measurement.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

use super::{Addresses, Arrival};
use crate::samples::now_micros;

#[derive(Default)]
struct Counters {
    received: AtomicU64,
    expected: AtomicU64,
    reached: Notify,
    record: AtomicBool,
    recorded: Mutex<Vec<(i64, Bytes)>>,
}

/// A count that begins.
#[derive(Deserialize)]
struct Begin {
    /// When so many tokens have come, whoever waits for that is told.
    expected: u64,
    /// Whether it is kept when each token came.
    record: bool,
}

/// Runs until standard input ends: with the bench, however that ends.
///
/// One thread is enough for several times what the service sends, and leaves the scheduler less to do.
pub fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve())
}

async fn serve() -> anyhow::Result<()> {
    let (tokens, control) =
        (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let addresses = Addresses { tokens: tokens.local_addr()?, control: control.local_addr()? };
    anstream::println!("{}", serde_json::to_string(&addresses)?);

    let counters = Arc::new(Counters::default());
    let for_tokens = Router::new()
        .route("/hang", any(std::future::pending::<StatusCode>))
        .fallback(receive)
        .with_state(Arc::clone(&counters));
    let for_bench = Router::new()
        .route("/begin", post(begin))
        .route("/reached", get(reached))
        .route("/arrivals", get(arrivals))
        .with_state(counters);

    let (ended, bench_ended) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    tokio::select! {
        _ = bench_ended => Ok(()),
        result = async { axum::serve(tokens, for_tokens).await } => Ok(result?),
        result = async { axum::serve(control, for_bench).await } => Ok(result?),
    }
}

async fn receive(State(counters): State<Arc<Counters>>, body: Bytes) -> StatusCode {
    if counters.record.load(Ordering::Relaxed) {
        counters.recorded().push((now_micros(), body));
    }
    let received = counters.received.fetch_add(1, Ordering::Relaxed) + 1;
    if received == counters.expected.load(Ordering::Relaxed) {
        counters.reached.notify_one();
    }
    StatusCode::OK
}

async fn begin(State(counters): State<Arc<Counters>>, Query(begin): Query<Begin>) -> StatusCode {
    counters.recorded().clear();
    counters.record.store(begin.record, Ordering::Relaxed);
    counters.received.store(0, Ordering::Relaxed);
    counters.expected.store(begin.expected, Ordering::Relaxed);
    StatusCode::OK
}

/// Answers as soon as what is expected has come, with how many have.
async fn reached(State(counters): State<Arc<Counters>>) -> Json<u64> {
    loop {
        let reached = counters.reached.notified();
        let received = counters.received.load(Ordering::Relaxed);
        if received >= counters.expected.load(Ordering::Relaxed) {
            return Json(received);
        }
        reached.await;
    }
}

async fn arrivals(State(counters): State<Arc<Counters>>) -> Json<Vec<Arrival>> {
    let recorded = counters.recorded().clone();
    let arrivals = recorded.iter().filter_map(|(at, body)| Some(Arrival { sid: sid(body)?, at: *at }));
    Json(arrivals.collect())
}

impl Counters {
    fn recorded(&self) -> MutexGuard<'_, Vec<(i64, Bytes)>> {
        self.recorded.lock().expect("no holder of this lock panics")
    }
}

/// The session in a `logout_token=<jwt>`.
fn sid(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sid: String,
    }
    let payload = body.split(|byte| *byte == b'.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some(claims.sid)
}
