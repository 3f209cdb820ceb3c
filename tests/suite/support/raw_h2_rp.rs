//! A relying party that speaks HTTP/2 over TLS frame by frame, and does with it what servers do not.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::tls_rp::self_signed;

/// What it sends when it has read a request: this once, and then that without end.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub first: Vec<u8>,
    pub piece: Vec<u8>,
}

/// See [`Script`].
pub struct RawH2Rp {
    address: SocketAddr,
    pub ca_file: PathBuf,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    requests: AtomicUsize,
    bytes_sent: AtomicUsize,
}

/// A frame (RFC 9113 §4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A head with this status, and nothing else, to the first request. It ends the answer unless it is interim.
pub fn head(status: &str) -> Vec<u8> {
    let flags = if status.starts_with('1') { 0x4 } else { 0x5 };
    frame(0x1, flags, 1, &status_field(status))
}

/// `:status` in HPACK, not indexed (RFC 7541 §6.2.2).
pub fn status_field(status: &str) -> Vec<u8> {
    [&[0x08, 3], status.as_bytes()].concat()
}

impl RawH2Rp {
    /// Its certificate is for `localhost`, signed by itself, and written into `folder`.
    pub async fn start(folder: &Path, script: Script) -> Self {
        let (acceptor, certificate) = self_signed(&["h2"]);
        let ca_file = folder.join("raw-h2-rp.pem");
        std::fs::write(&ca_file, certificate).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let counting = Arc::clone(&counts);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, script, counts) = (acceptor.clone(), script.clone(), Arc::clone(&counting));
                tokio::spawn(async move {
                    counts.open.fetch_add(1, Ordering::SeqCst);
                    perform(stream, acceptor, script, &counts).await;
                    counts.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, ca_file, counts }
    }

    pub fn uri(&self) -> String {
        format!("https://localhost:{}/logout", self.address.port())
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// How many bytes of what it repeats it could get rid of.
    pub fn bytes_sent(&self) -> usize {
        self.counts.bytes_sent.load(Ordering::SeqCst)
    }
}

async fn perform(stream: TcpStream, acceptor: TlsAcceptor, script: Script, counts: &Arc<Counts>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let (reader, mut writer) = tokio::io::split(stream);
    let asked = Arc::new(Notify::new());
    tokio::spawn(read(reader, Arc::clone(&asked), Arc::clone(counts)));
    // Our settings, and that we have seen theirs.
    let greeting = [frame(0x4, 0, 0, &[]), frame(0x4, 0x1, 0, &[])].concat();
    if writer.write_all(&greeting).await.is_err() {
        return;
    }
    asked.notified().await;
    if writer.write_all(&script.first).await.is_err() || script.piece.is_empty() {
        // Until the other side has had enough of waiting.
        asked.notified().await;
        return;
    }
    let pieces = script.piece.repeat(1 + 4096 / script.piece.len());
    while writer.write_all(&pieces).await.is_ok() && writer.flush().await.is_ok() {
        counts.bytes_sent.fetch_add(pieces.len(), Ordering::SeqCst);
    }
}

/// Takes note of requests, and at last of the end.
async fn read(mut reader: impl AsyncRead + Unpin, asked: Arc<Notify>, counts: Arc<Counts>) {
    // The preface comes first (RFC 9113 §3.4).
    let mut preface = [0; 24];
    let mut goes_on = reader.read_exact(&mut preface).await.is_ok();
    while goes_on {
        let mut header = [0; 9];
        goes_on = reader.read_exact(&mut header).await.is_ok();
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        goes_on = goes_on && reader.read_exact(&mut payload).await.is_ok();
        if goes_on && header[3] == 0x1 {
            counts.requests.fetch_add(1, Ordering::SeqCst);
            asked.notify_one();
        }
    }
    asked.notify_one();
}
