//! What is being reported takes a bounded part of the memory, and nobody takes all of it.

use std::time::Duration;

use logoutd::intake::{LARGE_BODY_BUDGET, MEMORY_PER_BODY_BYTE};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::access::made_as;
use crate::support::TOKEN;
use crate::support::app::{Setup, TestApp};
use crate::support::authority::address;

const LARGE: usize = 1024 * 1024;

/// How many bodies of a mebibyte one reporter may have under way.
const ROOM: usize = LARGE_BODY_BUDGET / 2 / MEMORY_PER_BODY_BYTE / LARGE;

/// An event of this many bytes.
fn event(id: &str, bytes: usize) -> String {
    let mut event = json!({
        "specversion": "1.0", "id": id, "source": "https://op.example.com", "type": "session.created",
        "data": {"sid": id, "sub": "alice"}, "padding": ""
    });
    let padding = bytes.saturating_sub(event.to_string().len());
    event["padding"] = json!("x".repeat(padding));
    event.to_string()
}

async fn report(app: &TestApp, token: &str, body: String) -> (StatusCode, Value) {
    let request = app.http.post(format!("{}/events", app.server)).bearer_auth(token);
    app.send(request.header("content-type", "application/json").body(body)).await
}

/// A request of which a part of the body was sent.
struct Held {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Held {
    async fn open(base: &str, id: &str) -> Self {
        let body = event(id, LARGE).into_bytes();
        let head = format!(
            "POST /events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(address(base)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body[..1024]).await.unwrap();
        Self { stream, rest: body[1024..].to_vec() }
    }

    /// The answer, if there is one before the body was sent whole. A little more of it is sent meanwhile: on a busy machine
    /// it would be given up as one that nobody sends any more.
    async fn early_answer(&mut self, patience: Duration) -> Option<String> {
        const STEP: Duration = Duration::from_millis(200);
        let mut answer = [0; 4096];
        for _ in 0..patience.as_millis().div_ceil(STEP.as_millis()) {
            if let Ok(read) = tokio::time::timeout(STEP, self.stream.read(&mut answer)).await {
                return Some(String::from_utf8_lossy(&answer[..read.unwrap()]).into_owned());
            }
            let next: Vec<u8> = self.rest.drain(..1).collect();
            // If it is closed, the answer is there to be read.
            let _ = self.stream.write_all(&next).await;
        }
        None
    }

    /// The answer to the whole of it.
    async fn finish(mut self) -> String {
        self.stream.write_all(&self.rest).await.unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn large_bodies_leave_room_for_small_ones_and_for_others() {
    const MORE: usize = 5;
    let setup = Setup::new();
    let other = made_as(&setup.write(), "another", &["create:events"], &[]);
    let app = setup.start().await;

    // Both listeners have the same room.
    let opened = (0..ROOM + MORE).map(async |n| {
        let base = if n % 2 == 0 { &app.server } else { &app.management };
        Held::open(base, &format!("held-{n}")).await
    });
    let mut held = futures_util::future::join_all(opened).await;
    // Whoever found no room is told so within seconds, and before anything more is read.
    let early = held.iter_mut().map(|held| held.early_answer(Duration::from_secs(5)));
    let early = futures_util::future::join_all(early).await;
    let turned_away: Vec<_> = early.iter().flatten().collect();
    assert_eq!(turned_away.len(), MORE, "{turned_away:?}");
    for answer in turned_away {
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\"busy\""), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("retry-after: 1"), "{answer}");
    }

    assert_eq!(report(&app, TOKEN, event("small", 200)).await.0, StatusCode::ACCEPTED);
    let (status, answer) = report(&app, &other.secret, event("large", LARGE)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");

    let waiting = held.into_iter().zip(&early).filter(|(_, early)| early.is_none());
    let answers = futures_util::future::join_all(waiting.map(|(held, _)| held.finish())).await;
    assert_eq!(answers.len(), ROOM);
    for answer in answers {
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
    assert_eq!(report(&app, TOKEN, event("later", LARGE)).await.0, StatusCode::ACCEPTED);
    app.stop().await;
}

/// Whoever hangs up gives its room back.
#[tokio::test]
async fn what_breaks_off_takes_no_room() {
    let app = Setup::new().start().await;
    for round in 0..3 {
        let mut held = Vec::new();
        for n in 0..ROOM {
            held.push(Held::open(&app.server, &format!("held-{round}-{n}")).await);
        }
        let early = held.iter_mut().map(|held| held.early_answer(Duration::from_millis(200)));
        let early = futures_util::future::join_all(early).await;
        assert!(early.iter().all(Option::is_none), "{early:?}");
    }
    assert_eq!(report(&app, TOKEN, event("later", LARGE)).await.0, StatusCode::ACCEPTED);
    assert_eq!(report(&app, TOKEN, event("long", LARGE + 1)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    app.stop().await;
}

/// A body whose length is not said beforehand is found out to be a large one.
#[tokio::test]
async fn bodies_of_unknown_length_are_read_too() {
    let app = Setup::new().start().await;
    for (bytes, expected) in [
        (200, StatusCode::ACCEPTED),
        (LARGE / 2, StatusCode::ACCEPTED),
        (LARGE, StatusCode::ACCEPTED),
        (LARGE + 1, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let text = event(&format!("e-{bytes}"), bytes);
        assert_eq!(text.len(), bytes);
        let pieces: Vec<_> = text.as_bytes().chunks(10_000).map(<[u8]>::to_vec).collect();
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(
            pieces.into_iter().map(Ok::<_, std::io::Error>),
        ));
        let request = app.http.post(format!("{}/events", app.server)).bearer_auth(TOKEN);
        let (status, answer) = app.send(request.header("content-type", "application/json").body(body)).await;
        assert_eq!(status, expected, "{bytes}: {answer}");
    }
    app.stop().await;
}
