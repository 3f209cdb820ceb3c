//! The HTTP client for what others host: relying parties' endpoints, issuers' keys.
//!
//! Whoever is asked controls what comes back, so everything of it has a limit: the time, the bytes that a connection
//! brings, the interim responses, the fields and the size of a head. What is within the limits is read as leniently
//! as can be: a status is a status, whatever is odd about the lines under it, but for what frames the message. A
//! `Content-Length` that is no number or is given twice with different ones, and `Transfer-Encoding` in HTTP/1.0, are
//! answers that broke off (RFC 9112 §6.3).
//!
//! It is made of the parts that reqwest is made of (hyper, hyper-util, hyper-rustls), because reqwest 0.13 closes
//! what the limits need: its connector layers cannot wrap a connection, it drops a request's extensions (and with
//! them hyper's hook for interim responses), and it does not pass on the limit of hyper's read buffer.

mod allowance;
mod connector;
mod error;
mod interim;
mod places;
mod resolver;
mod timing;
mod tls;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderValue, USER_AGENT};
use hyper::http::Extensions;
use hyper::{Request, Response};
use hyper_util::client::legacy::connect::{CaptureConnection, HttpInfo, capture_connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout_at};

use self::allowance::{Allowance, Turn};
use self::connector::Connector;
use self::interim::Interim;
use self::places::Places;
use self::resolver::Resolver;
pub(super) use self::resolver::{Lookup, SystemLookup};
pub(super) use self::timing::Connecting;
use super::policy::Policy;

pub use self::error::{SendError, SendErrorKind};
pub use self::tls::TlsError;

/// The largest head over HTTP/1, in bytes, interim responses not counted.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The most fields a head over HTTP/1 may have.
const MAX_FIELDS: usize = 2048;

/// The largest head over HTTP/2, in bytes as RFC 9113 §6.5.2 counts them: decompressed, and 32 more for each field.
const MAX_FIELD_SECTION: u32 = 128 * 1024;

/// How often an HTTP/2 connection that is in use is tried, and how long its peer may take to answer.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(15);
const HTTP2_PING_PATIENCE: Duration = Duration::from_secs(10);

/// How much of a body the other side may send ahead over HTTP/2, in bytes: of one answer, and of all together.
const HTTP2_WINDOWS: (u32, u32) = (32 * 1024, 1024 * 1024);

/// What a connection may bring for a request besides the body, in bytes: interim responses and the head, and what
/// framing, TLS, and reading and sending ahead add.
const BESIDES_BODY: usize = MAX_HEAD_BYTES + 64 * 1024;

/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// How often a request is sent again because the other side says it has not looked at it.
const MAX_RESENDS: usize = 2;

/// How things are asked for.
pub(super) struct OutboundConfig {
    /// Looks names up.
    pub(super) lookup: Arc<dyn Lookup>,
    /// Which addresses are allowed; `None`: all.
    pub(super) policy: Option<Arc<Policy>>,
    /// How long a connection may take to come about: name, TCP, TLS.
    pub(super) connect_timeout: Duration,
    /// Trusted beside the platform's.
    pub(super) authorities: Vec<CertificateDer<'static>>,
    /// The longest body that is read, in bytes.
    pub(super) max_body_bytes: usize,
    /// How many connections are kept for later requests; 0: none.
    pub(super) max_kept: usize,
}

/// Asks others. Clones share connections.
#[derive(Clone, Debug)]
pub(super) struct Outbound {
    /// Keeps its connections.
    pooled: Option<Client<Connector, Full<Bytes>>>,
    /// Keeps none: for when there is no place for one more.
    unpooled: Client<Connector, Full<Bytes>>,
    max_body_bytes: usize,
}

/// What came of a request.
pub(super) struct Sent {
    pub(super) result: Result<Answered, SendError>,
    /// What is known of the connection, if one was made for it.
    pub(super) connecting: Connecting,
}

/// A status, its fields, and a body that is still to be read.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// Who answered.
    pub(super) remote: Option<SocketAddr>,
    body: Incoming,
    max_body_bytes: usize,
    /// Until the body is read, the request is under way.
    _turn: Option<Turn>,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyEnd {
    /// It is whole.
    Whole,
    /// It is longer than it may be.
    TooLong,
    /// It did not come in time, or broke off.
    BrokenOff,
}

impl Outbound {
    /// Sets the client up.
    pub(super) fn new(config: OutboundConfig) -> Result<Self, TlsError> {
        let OutboundConfig { lookup, policy, connect_timeout, authorities, max_body_bytes, max_kept } =
            config;
        let per_request = max_body_bytes.saturating_add(BESIDES_BODY);
        let (resolver, tls) = (Resolver::new(lookup, policy), tls::config(authorities)?);
        let (stream_window, connection_window) = HTTP2_WINDOWS;
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http1_max_buf_size(MAX_HEAD_BYTES)
            .http1_max_headers(MAX_FIELDS)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .http2_max_header_list_size(MAX_FIELD_SECTION)
            .http2_initial_stream_window_size(stream_window)
            .http2_initial_connection_window_size(connection_window)
            // A shared connection would be kept for as long as it is asked, though nobody is there any more.
            .http2_keep_alive_interval(HTTP2_PING_EVERY)
            .http2_keep_alive_timeout(HTTP2_PING_PATIENCE);
        let connector =
            |places| Connector::new(resolver.clone(), tls.clone(), connect_timeout, per_request, places);
        let pooled = (max_kept > 0).then(|| builder.build(connector(Some(Places::new(max_kept)))));
        let unpooled = builder.pool_max_idle_per_host(0).build(connector(None));
        Ok(Self { pooled, unpooled, max_body_bytes })
    }

    /// Sends a request. `deadline` is that of its answer's head.
    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>, deadline: Instant) -> Sent {
        let agent = HeaderValue::from_static(concat!("logoutd/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        let mut resends = 0;
        loop {
            let (result, connecting) = timing::recorded(self.send_once(&request, deadline)).await;
            match result {
                Err(error) if error.may_be_sent_again() && resends < MAX_RESENDS => resends += 1,
                result => return Sent { result, connecting },
            }
        }
    }

    async fn send_once(
        &self,
        request: &Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Answered, SendError> {
        if let Some(pooled) = &self.pooled {
            match self.send_by(pooled, request.clone(), deadline).await {
                Err(error) if error.is_for_want_of_a_place() => {}
                result => return result,
            }
        }
        self.send_by(&self.unpooled, request.clone(), deadline).await
    }

    async fn send_by(
        &self,
        client: &Client<Connector, Full<Bytes>>,
        mut request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Answered, SendError> {
        let interim = Interim::of(&mut request);
        let captured = capture_connection(&mut request);
        let mut exchange = Exchange { interim, captured, turn: None };
        match timeout_at(deadline, exchange.run(client, request)).await {
            Ok(Ok(response)) => Ok(self.answered(response, exchange)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(SendError::given_up(SendErrorKind::Timeout, exchange.is_handed_over())),
        }
    }

    fn answered(&self, response: Response<Incoming>, exchange: Exchange) -> Answered {
        let remote = response.extensions().get::<HttpInfo>().map(HttpInfo::remote_addr);
        let (head, body) = response.into_parts();
        Answered {
            status: head.status.as_u16(),
            headers: head.headers,
            remote,
            body,
            max_body_bytes: self.max_body_bytes,
            _turn: exchange.turn,
        }
    }
}

impl Answered {
    /// The body, as far as it comes in time and may be. Whatever is left is dropped, with its connection where that
    /// is how to be rid of it.
    pub(super) async fn read(mut self, deadline: Instant) -> (Vec<u8>, BodyEnd) {
        let mut body = Vec::new();
        loop {
            match timeout_at(deadline, self.body.frame()).await {
                Ok(None) => return (body, BodyEnd::Whole),
                Ok(Some(Ok(frame))) => body.extend_from_slice(frame.data_ref().map_or(&[], |it| &it[..])),
                Ok(Some(Err(_))) | Err(_) => return (body, BodyEnd::BrokenOff),
            }
            if body.len() > self.max_body_bytes {
                body.truncate(self.max_body_bytes);
                return (body, BodyEnd::TooLong);
            }
        }
    }
}

/// A request, and what is known of where it is.
struct Exchange {
    interim: Interim,
    captured: CaptureConnection,
    turn: Option<Turn>,
}

impl Exchange {
    async fn run(
        &mut self,
        client: &Client<Connector, Full<Bytes>>,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, SendError> {
        let mut sending = pin!(client.request(request));
        let interim = self.interim.clone();
        let response = loop {
            tokio::select! {
                biased;
                response = &mut sending => break response,
                () = handed_over(&mut self.captured), if self.turn.is_none() => self.begin_turn(),
                () = interim.too_many() => return Err(self.too_large()),
            }
        };
        if self.turn.is_none() && self.is_handed_over() {
            self.begin_turn();
        }
        if self.interim.are_too_many() {
            return Err(self.too_large());
        }
        response.map_err(|error| self.failed(error))
    }

    /// The connection has the request: from here on it may bring an answer.
    fn begin_turn(&mut self) {
        let mut extras = Extensions::new();
        if let Some(connected) = &*self.captured.connection_metadata() {
            connected.get_extras(&mut extras);
        }
        if let Some(allowance) = extras.get::<Allowance>() {
            self.interim.come_by(allowance);
            self.turn = Some(allowance.begin());
        }
    }

    fn is_handed_over(&self) -> bool {
        self.captured.connection_metadata().is_some()
    }

    fn too_large(&self) -> SendError {
        SendError::given_up(SendErrorKind::AnswerTooLarge, self.is_handed_over())
    }

    fn failed(&self, error: legacy::Error) -> SendError {
        let overrun = self.turn.as_ref().is_some_and(Turn::is_spent);
        SendError::failed(error, self.is_handed_over(), overrun)
    }
}

/// Returns when a connection has the request.
async fn handed_over(captured: &mut CaptureConnection) {
    let connected = captured.wait_for_connection_metadata().await.is_some();
    if !connected {
        // None will have it: the request is over, and says why.
        std::future::pending::<()>().await;
    }
}
