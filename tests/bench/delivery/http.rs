//! A keep-alive HTTP/1.1 connection to the service, as cheap as it can be: whatever the bench spends, the
//! service on the same machine has not got.
//!
//! It knows only what the service's answers need: a status, a `content-length` and a body.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest an answer is waited for: more than any patience the bench has.
const DEADLINE: Duration = Duration::from_mins(5);

/// A connection.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = timeout(DEADLINE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request, as it goes over the wire, and returns its answer.
    pub async fn send(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        timeout(DEADLINE, self.exchange(request)).await.context("no answer")?
    }

    /// Gets a path.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await
    }

    async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        self.stream.write_all(request).await?;
        self.received.clear();
        loop {
            if let Some(answer) = whole(&self.received)? {
                return Ok(answer);
            }
            ensure!(self.stream.read_buf(&mut self.received).await? > 0, "the connection was closed");
        }
    }
}

/// The answer, once all of it has come.
fn whole(received: &[u8]) -> anyhow::Result<Option<Answer>> {
    let Some(end) = received.windows(4).position(|it| it == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&received[..end]).context("the head of an answer is no text")?;
    let mut lines = head.split("\r\n");
    let Some(status) = lines.next().and_then(|line| line.split(' ').nth(1)) else {
        bail!("the answer has no status");
    };
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    let length: usize = length.context("the answer has no content-length")?.trim().parse()?;
    let body = &received[end + 4..];
    if body.len() < length {
        return Ok(None);
    }
    Ok(Some(Answer { status: status.parse()?, body: body.to_vec() }))
}
