//! A relying party that does with the connection what HTTP servers do not: breaks it, hangs, trickles.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

/// What the kernel holds at the most of what was sent and not yet taken, on this side, in bytes (it doubles it).
const SEND_BUFFER: u32 = 8 * 1024;

/// What it does once it has read a request.
#[derive(Clone, Copy, Debug)]
pub enum Trick {
    /// Closes the connection without a word, with a reset.
    Reset,
    /// Never answers, see [`RawRp::release`].
    Hang,
    /// Answers 200 to the first request, and never again.
    HangLater,
    /// Answers this status, then sends its endless body a byte at a time.
    Trickle(u16),
    /// Answers this status and ten megabytes.
    Flood(u16),
    /// Sends this, and closes the connection.
    Says(&'static [u8]),
    /// Sends this without end.
    Repeats(Endless),
}

/// What is sent without end.
#[derive(Clone, Copy, Debug)]
pub struct Endless {
    /// Once, before.
    pub first: &'static [u8],
    /// Again and again.
    pub piece: &'static [u8],
    /// How long between two pieces.
    pub pause: Option<Duration>,
}

/// A relying party with one trick.
pub struct RawRp {
    pub address: SocketAddr,
    counts: Arc<Counts>,
    released: watch::Sender<bool>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    requests: AtomicUsize,
    bytes_sent: AtomicUsize,
}

impl RawRp {
    pub fn start(trick: Trick) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(SEND_BUFFER).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let counting = Arc::clone(&counts);
        let (released, hanging) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counting.connections.fetch_add(1, Ordering::SeqCst);
                let open = counting.open.fetch_add(1, Ordering::SeqCst) + 1;
                counting.most_open.fetch_max(open, Ordering::SeqCst);
                let (counts, hanging) = (Arc::clone(&counting), hanging.clone());
                tokio::spawn(async move {
                    perform(stream, trick, &counts, hanging).await;
                    counts.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, counts, released }
    }

    /// Closes all connections on which nothing is ever answered.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    pub fn uri(&self) -> String {
        format!("http://{}/logout", self.address)
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// How many of them are open.
    pub fn open(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    /// How many of them were open at once at the most.
    pub fn most_open(&self) -> usize {
        self.counts.most_open.load(Ordering::SeqCst)
    }

    /// How many requests it has read whole.
    pub fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// How many bytes it could get rid of, after a head where there is one.
    pub fn bytes_sent(&self) -> usize {
        self.counts.bytes_sent.load(Ordering::SeqCst)
    }
}

async fn perform(mut stream: TcpStream, trick: Trick, counts: &Counts, mut hanging: watch::Receiver<bool>) {
    if !read_request(&mut stream).await {
        return;
    }
    let earlier = counts.requests.fetch_add(1, Ordering::SeqCst);
    match trick {
        Trick::HangLater if earlier == 0 => {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await;
        }
        Trick::Reset => {
            // No lingering: the kernel answers what is unread with a reset.
            stream.set_zero_linger().unwrap();
        }
        Trick::Hang | Trick::HangLater => {
            // Until the other side has had enough.
            let mut unread = [0; 16];
            tokio::select! {
                _ = stream.read(&mut unread) => {}
                _ = hanging.wait_for(|released| *released) => {}
            }
        }
        Trick::Trickle(status) => {
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 1000000\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            let pause = Some(Duration::from_millis(100));
            send(&mut stream, Endless { first: b"", piece: b".", pause }, counts).await;
        }
        Trick::Flood(status) => {
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 10000000\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            let ten_megabytes = vec![b'x'; 10_000_000];
            write_counted(&mut stream, &ten_megabytes, counts).await;
        }
        Trick::Says(answer) => {
            let _ = stream.write_all(answer).await;
        }
        Trick::Repeats(endless) => send(&mut stream, endless, counts).await,
    }
}

async fn send(stream: &mut TcpStream, endless: Endless, counts: &Counts) {
    let mut goes_on = write_counted(stream, endless.first, counts).await;
    // Many at a time, so that it is not this side that is slow.
    let pieces = match endless.pause {
        Some(_) => endless.piece.to_vec(),
        None => endless.piece.repeat(1 + 16 * 1024 / endless.piece.len()),
    };
    while goes_on {
        goes_on = write_counted(stream, &pieces, counts).await;
        if let Some(pause) = endless.pause {
            tokio::time::sleep(pause).await;
        }
    }
}

/// Whether all of it could be sent.
async fn write_counted(stream: &mut TcpStream, mut bytes: &[u8], counts: &Counts) -> bool {
    while !bytes.is_empty() {
        match stream.write(bytes).await {
            Ok(written @ 1..) => {
                counts.bytes_sent.fetch_add(written, Ordering::SeqCst);
                bytes = &bytes[written..];
            }
            Ok(0) | Err(_) => return false,
        }
    }
    true
}

/// Whether there was one.
async fn read_request(stream: &mut TcpStream) -> bool {
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
                return true;
            }
        }
        if read == 0 {
            return false;
        }
    }
}
