use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};

use super::*;

/// Accepts what it is given.
struct Given(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Given {
    type Io = DuplexStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (DuplexStream, SocketAddr) {
        match self.0.recv().await {
            Some(stream) => (stream, self.local_addr().expect("it has one")),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(([127, 0, 0, 1], 1).into())
    }
}

struct Served {
    connect: mpsc::UnboundedSender<DuplexStream>,
    drain: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
    metrics: Arc<Metrics>,
}

impl Served {
    /// How many connections were closed for this reason.
    fn closed(&self, reason: &str) -> u64 {
        self.count(&format!(
            "logoutd_listener_connections_closed_total{{listener=\"server\",reason=\"{reason}\"}} "
        ))
    }

    fn open(&self) -> u64 {
        self.count("logoutd_listener_connections{listener=\"server\"} ")
    }

    fn count(&self, series: &str) -> u64 {
        let text = self.metrics.encode();
        text.lines().find_map(|line| line.strip_prefix(series)).map_or(0, |count| count.parse().unwrap())
    }
}

const LIMITS: Limits = Limits {
    connections: 100,
    idle: Duration::from_mins(1),
    stall: Duration::from_secs(30),
    body: Duration::from_mins(1),
    farewell: Duration::from_secs(5),
};

/// Answers after `takes`.
fn start(takes: Duration) -> Served {
    start_with(LIMITS, move |_, _| async move {
        tokio::time::sleep(takes).await;
        Response::new("answered".into())
    })
}

fn start_with<F: Future<Output = Response> + Send + 'static>(
    limits: Limits,
    handle: impl Fn(SocketAddr, Request<RequestBody>) -> F + Send + Sync + 'static,
) -> Served {
    let (connect, given) = mpsc::unbounded_channel();
    let (drain, draining) = oneshot::channel::<()>();
    let metrics = Arc::new(Metrics::new());
    let service = Service { listener: "server", limits, metrics: Arc::clone(&metrics), handle };
    let serving = tokio::spawn(serve(Given(given), service, async { drop(draining.await) }));
    Served { connect, drain, serving, metrics }
}

fn connect(served: &Served) -> DuplexStream {
    let (ours, theirs) = duplex(4096);
    served.connect.send(theirs).unwrap();
    ours
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn connections_without_a_complete_request_are_closed() {
    let served = start(Duration::ZERO);
    for said in [&b""[..], b"G", b"GET / HTTP/1.1\r\nhost: local", b"PRI * HTTP/2.0\r\n"] {
        let mut peer = connect(&served);
        peer.write_all(said).await.unwrap();
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).await.unwrap();
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    }
    // One that is idle after a request.
    let mut peer = connect(&served);
    peer.write_all(REQUEST).await.unwrap();
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).await.unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_take_its_time() {
    let served = start(LIMITS.idle * 3);
    let mut peer = connect(&served);
    peer.write_all(REQUEST).await.unwrap();
    let mut start = [0; 12];
    peer.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
}

#[tokio::test(start_paused = true)]
async fn draining_answers_what_is_under_way_and_takes_no_more() {
    let served = start(Duration::from_secs(5));
    let (mut asking, mut idle) = (connect(&served), connect(&served));
    asking.write_all(REQUEST).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    served.drain.send(()).unwrap();
    served.serving.await.unwrap();
    let mut answer = Vec::new();
    asking.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"answered"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0, "an idle connection does not delay the drain");
}

/// An HTTP/2 peer that acknowledges every PING, up to `most`, and sends nothing of its own after `begins`.
async fn answer_pings(peer: &mut DuplexStream, begins: &[u8], most: usize) -> usize {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    for bytes in [PREFACE, &SETTINGS, begins] {
        peer.write_all(bytes).await.unwrap();
    }
    let mut pings = 0;
    while pings < most {
        let mut head = [0; 9];
        if peer.read_exact(&mut head).await.is_err() {
            break;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if peer.read_exact(&mut payload).await.is_err() {
            break;
        }
        // A PING that is no answer itself (RFC 9113 §6.7).
        if head[3] == 6 && head[4] & 1 == 0 {
            pings += 1;
            head[4] = 1;
            if peer.write_all(&[&head[..], &payload].concat()).await.is_err() {
                break;
            }
        }
    }
    pings
}

/// `GET /` on stream 1, by the static table (RFC 7541, Appendix A): method, scheme, path, authority.
const H2_REQUEST: [u8; 15] = [0, 0, 6, 1, 0x5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 0x01, b'a'];

#[tokio::test(start_paused = true)]
async fn an_http2_connection_with_nothing_but_pings_is_closed() {
    let served = start(Duration::ZERO);
    for begins in [&b""[..], &H2_REQUEST] {
        let mut peer = connect(&served);
        let pings = answer_pings(&mut peer, begins, 100).await;
        assert!(pings < 10, "{pings} pings, and it is still there");
    }
    assert_eq!((served.closed("idle"), served.open()), (2, 0));
    // One that waits for its answer is kept.
    let served = start(LIMITS.idle * 10);
    let pings = answer_pings(&mut connect(&served), &H2_REQUEST, 10).await;
    assert_eq!((pings, served.closed("idle")), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_peer_does_not_read_is_closed() {
    let served = start_with(LIMITS, |_, _| async { Response::new("x".repeat(1 << 20).into()) });
    let mut peer = connect(&served);
    // It goes on asking, so that it is never idle.
    while peer.write_all(REQUEST).await.is_ok() {
        tokio::time::sleep(LIMITS.stall / 4).await;
    }
    assert_eq!((served.closed("stalled"), served.open()), (1, 0));
    let mut taken = Vec::new();
    peer.read_to_end(&mut taken).await.unwrap();
    assert!(taken.len() < 1 << 20);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_too_long_is_an_error() {
    let read = |_, request: Request<RequestBody>| async {
        let read = axum::body::to_bytes(axum::body::Body::new(request.into_body()), 1 << 20).await;
        let text = if read.is_ok() { "all of it" } else { "given up" };
        Response::new(text.into())
    };
    let served = start_with(LIMITS, read);
    for (every, sent, expected) in [(1, 100, "all of it"), (5_000, 100, "given up")] {
        let (mut reading, mut writing) = tokio::io::split(connect(&served));
        let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {sent}\r\n\r\n");
        writing.write_all(head.as_bytes()).await.unwrap();
        let trickle = tokio::spawn(async move {
            for _ in 0..sent {
                tokio::time::sleep(Duration::from_millis(every)).await;
                if writing.write_all(b"x").await.is_err() {
                    break;
                }
            }
            writing
        });
        let mut answer = Vec::new();
        reading.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.ends_with(expected), "{answer}");
        drop(trickle.await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_beside_any_number_of_idle_connections() {
    let served =
        start_with(Limits { connections: 10, ..LIMITS }, |_, _| async { Response::new("answered".into()) });
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.extend((0..100).map(|_| connect(&served)));
        let mut asking = connect(&served);
        asking.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        asking.read_to_end(&mut answer).await.unwrap();
        assert!(answer.ends_with(b"answered"), "{}", String::from_utf8_lossy(&answer));
        assert!(served.open() <= 10);
    }
    assert_eq!(served.closed("crowded_out"), 491, "all but those beside the last request");

    // Nor are others delayed by connections that had a request and ignore the GOAWAY.
    let mut asked = Vec::new();
    for _ in 0..10 {
        let mut peer = connect(&served);
        answer_pings(&mut peer, &H2_REQUEST, 0).await;
        // It is served before the next one connects.
        assert!(peer.read(&mut [0; 64]).await.unwrap() > 0);
        asked.push(peer);
    }
    tokio::time::sleep(RESPONSE_READ_AFTER).await;
    let began = tokio::time::Instant::now();
    silent.extend((0..10).map(|_| connect(&served)));
    let mut asking = connect(&served);
    asking.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    asking.read_to_end(&mut Vec::new()).await.unwrap();
    assert!(began.elapsed() < LIMITS.farewell, "no graceful shutdown was waited for");
}
