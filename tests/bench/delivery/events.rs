//! The events the bench reports, and the requests that carry them.
//!
//! Ids are random, as an OP's are: ids in order would make the store's indexes cheaper than they are.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::service::TOKEN;

/// An event to report.
pub struct Event {
    pub sid: String,
    pub sub: String,
    text: String,
}

/// Makes up events that end sessions nobody reported before, at the same clients.
pub struct Terminations {
    random: fastrand::Rng,
    clients: String,
}

impl Terminations {
    /// Those of these clients.
    pub fn at<'a>(clients: impl IntoIterator<Item = &'a str>) -> Self {
        let clients: Vec<_> = clients.into_iter().collect();
        let clients = serde_json::to_string(&clients).expect("strings always serialize");
        Self { random: fastrand::Rng::new(), clients }
    }

    pub fn next(&mut self) -> Event {
        let mut id = || self.random.u128(..);
        let (id, sid, sub) = (id(), format!("{:032x}", id()), format!("user-{:032x}", id()));
        let text = format!(
            r#"{{"specversion":"1.0","id":"evt-{id:032x}","source":"https://op.example.com","type":"session.terminated","data":{{"sid":"{sid}","sub":"{sub}","initiator":"rp-logout","clients":{}}}}}"#,
            self.clients
        );
        Event { sid, sub, text }
    }

    /// The next `count`.
    pub fn take(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// How events are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posting {
    /// Each in a request of its own, over this many connections.
    Singly { connections: usize },
    /// This many in a request.
    Batches { of: usize, connections: usize },
}

impl Posting {
    /// How sources report what matters here: a hundred at a time, a few requests under way.
    pub const BATCHES: Self = Self::Batches { of: 100, connections: 4 };

    /// As many sources as there would be users who log out at the same moment.
    pub const SINGLY: Self = Self::Singly { connections: 64 };

    pub fn connections(self) -> usize {
        match self {
            Self::Singly { connections } | Self::Batches { connections, .. } => connections,
        }
    }

    pub fn events_in_a_request(self) -> usize {
        match self {
            Self::Singly { .. } => 1,
            Self::Batches { of, .. } => of,
        }
    }

    /// The requests that report `count` events.
    pub fn requests(
        self,
        server: SocketAddr,
        mut events: Terminations,
        count: usize,
    ) -> impl Iterator<Item = Vec<u8>> + Send + 'static {
        let size = self.events_in_a_request();
        (0..count).step_by(size).map(move |done| match self {
            Self::Singly { .. } => single(server, &events.next()),
            Self::Batches { .. } => batch(server, &events.take(size.min(count - done))),
        })
    }
}

impl std::fmt::Display for Posting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Singly { .. } => f.write_str("singly"),
            Self::Batches { of, .. } => write!(f, "batches of {of}"),
        }
    }
}

/// The request that reports one event (structured mode).
pub fn single(server: SocketAddr, event: &Event) -> Vec<u8> {
    request(server, "application/cloudevents+json", &event.text)
}

/// The request that reports several.
pub fn batch(server: SocketAddr, events: &[Event]) -> Vec<u8> {
    let mut body = String::with_capacity(events.iter().map(|it| it.text.len() + 1).sum::<usize>() + 1);
    for (index, event) in events.iter().enumerate() {
        body.push(if index == 0 { '[' } else { ',' });
        body.push_str(&event.text);
    }
    body.push(']');
    request(server, "application/cloudevents-batch+json", &body)
}

/// The request that ends a session that was reported before.
pub fn termination_of(server: SocketAddr, sid: &str) -> Vec<u8> {
    let text = format!(
        r#"{{"specversion":"1.0","id":"end-{sid}","source":"https://op.example.com","type":"session.terminated","data":{{"sid":"{sid}","initiator":"rp-logout"}}}}"#
    );
    request(server, "application/cloudevents+json", &text)
}

/// The request that reads a session.
pub fn get_session(management: SocketAddr, sid: &str) -> Vec<u8> {
    format!(
        "GET /api/v2/sessions/{sid} HTTP/1.1\r\nhost: {management}\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
    )
    .into_bytes()
}

fn request(server: SocketAddr, media_type: &str, body: &str) -> Vec<u8> {
    let mut request = String::with_capacity(body.len() + 256);
    write!(
        request,
        "POST /events HTTP/1.1\r\nhost: {server}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: {media_type}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("a String takes everything");
    request.into_bytes()
}
