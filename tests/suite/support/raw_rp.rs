//! A relying party that does with the connection what HTTP servers do not: breaks it, hangs, trickles.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does once it has read a request.
#[derive(Clone, Copy, Debug)]
pub enum Trick {
    /// Closes the connection without a word, with a reset.
    Reset,
    /// Never answers.
    Hang,
    /// Answers 200 to the first request, and never again.
    HangLater,
    /// Answers this status, then sends its endless body a byte at a time.
    Trickle(u16),
    /// Answers this status and ten megabytes.
    Flood(u16),
}

/// A relying party with one trick.
pub struct RawRp {
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
    bytes_sent: Arc<AtomicUsize>,
}

impl RawRp {
    pub async fn start(trick: Trick) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, bytes_sent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counter, sent) = (Arc::clone(&requests), Arc::clone(&bytes_sent));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(perform(stream, trick, Arc::clone(&counter), Arc::clone(&sent)));
            }
        });
        Self { address, requests, bytes_sent }
    }

    pub fn uri(&self) -> String {
        format!("http://{}/logout", self.address)
    }

    /// How many requests it has read whole.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// How many bytes of bodies it could get rid of.
    pub fn bytes_sent(&self) -> usize {
        self.bytes_sent.load(Ordering::SeqCst)
    }
}

async fn perform(mut stream: TcpStream, trick: Trick, requests: Arc<AtomicUsize>, sent: Arc<AtomicUsize>) {
    read_request(&mut stream).await;
    let earlier = requests.fetch_add(1, Ordering::SeqCst);
    match trick {
        Trick::HangLater if earlier == 0 => {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await;
        }
        Trick::Reset => {
            // No lingering: the kernel answers what is unread with a reset.
            stream.set_zero_linger().unwrap();
        }
        Trick::Hang | Trick::HangLater => tokio::time::sleep(Duration::from_mins(1)).await,
        Trick::Trickle(status) => {
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 1000000\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            for _ in 0..600 {
                if stream.write_all(b".").await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Trick::Flood(status) => {
            let megabyte = vec![b'x'; 1_000_000];
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 10000000\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            for _ in 0..10 {
                if stream.write_all(&megabyte).await.is_err() {
                    return;
                }
                sent.fetch_add(megabyte.len(), Ordering::SeqCst);
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            if length.is_none_or(|length| body.len() >= length) {
                return;
            }
        }
        if read == 0 {
            return;
        }
    }
}
