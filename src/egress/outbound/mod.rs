//! The HTTP client for servers that others run: relying parties' endpoints, issuers' keys.
//!
//! Such a server controls what it sends, so all of it has limits: time, bytes on the connection, interim responses,
//! fields and size of the head. Within the limits an answer is read leniently: a status counts whatever is wrong with
//! the fields, unless they frame the message. A `Content-Length` that is invalid or contradictory, and
//! `Transfer-Encoding` in HTTP/1.0, are errors (RFC 9112 §6.3).
//!
//! It is made of hyper, hyper-util and hyper-rustls, as reqwest is. Reqwest 0.13 does not give access to what the
//! limits need: its connector layers cannot wrap a connection, it drops a request's extensions (and with them hyper's
//! hook for interim responses), and it has no setting for hyper's read buffer.

mod byte_budget;
mod connector;
mod error;
mod interim;
mod pool_limit;
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

use self::byte_budget::{ByteBudget, RequestGuard};
use self::connector::Connector;
use self::interim::InterimResponses;
use self::pool_limit::PoolLimit;
use self::resolver::Resolver;
pub(super) use self::resolver::{Lookup, SystemLookup};
pub(super) use self::timing::ConnectTiming;
use super::policy::Policy;

pub use self::error::{SendError, SendErrorKind};
pub use self::tls::TlsError;

/// The largest head over HTTP/1, in bytes, interim responses not counted.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The most fields a head over HTTP/1 may have.
const MAX_FIELDS: usize = 2048;

/// The largest head over HTTP/2, in bytes as RFC 9113 §6.5.2 counts them: decompressed, and 32 more for each field.
const MAX_FIELD_SECTION: u32 = 128 * 1024;

/// The interval of HTTP/2 pings on a connection that is in use, and the time within which they must be answered.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(15);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The HTTP/2 flow control windows, in bytes: of a stream, and of a connection.
const HTTP2_STREAM_WINDOW: u32 = 32 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What may be received for a request besides the body, in bytes: interim responses, the head, the overhead of framing
/// and TLS, and data that is buffered ahead.
const OVERHEAD_BYTES: usize = MAX_HEAD_BYTES + 64 * 1024;

/// How long an idle connection stays in the pool.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// How often a request is sent again because the peer says that it has not processed it.
const MAX_RESENDS: usize = 2;

/// The settings of the client.
pub(super) struct OutboundConfig {
    /// Looks up host names.
    pub(super) lookup: Arc<dyn Lookup>,
    /// Which addresses are allowed; `None`: all.
    pub(super) policy: Option<Arc<Policy>>,
    /// The limit for resolving, TCP and TLS together.
    pub(super) connect_timeout: Duration,
    /// Trusted beside the platform's.
    pub(super) authorities: Vec<CertificateDer<'static>>,
    /// The longest body that is read, in bytes.
    pub(super) max_body_bytes: usize,
    /// How many connections may be pooled; 0: none.
    pub(super) max_pooled: usize,
}

/// Sends requests. Clones share connections.
#[derive(Clone, Debug)]
pub(super) struct Outbound {
    /// Pools its connections; `None` if none may be pooled.
    pooled: Option<Client<Connector, Full<Bytes>>>,
    /// For when the pool is full.
    unpooled: Client<Connector, Full<Bytes>>,
    max_body_bytes: usize,
}

/// The result of a request.
pub(super) struct Sent {
    pub(super) result: Result<Answered, SendError>,
    /// How the connection was made, if one was made for it.
    pub(super) timing: ConnectTiming,
}

/// An answer whose body is still to be read.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The address of the peer.
    pub(super) remote: Option<SocketAddr>,
    body: Incoming,
    max_body_bytes: usize,
    /// The request is in flight until its body is read.
    _request: Option<RequestGuard>,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyEnd {
    /// It is complete.
    Complete,
    /// It is longer than the limit.
    TooLong,
    /// The deadline passed, or the connection broke, before it was complete.
    BrokenOff,
}

impl Outbound {
    /// Sets the client up.
    pub(super) fn new(config: OutboundConfig) -> Result<Self, TlsError> {
        let OutboundConfig { lookup, policy, connect_timeout, authorities, max_body_bytes, max_pooled } =
            config;
        let budget = max_body_bytes.saturating_add(OVERHEAD_BYTES);
        let (resolver, tls) = (Resolver::new(lookup, policy), tls::config(authorities)?);
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
            .http2_initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .http2_initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
            // Else new requests would keep a dead connection in the pool.
            .http2_keep_alive_interval(HTTP2_PING_INTERVAL)
            .http2_keep_alive_timeout(HTTP2_PING_TIMEOUT);
        let connector =
            |pool_limit| Connector::new(resolver.clone(), tls.clone(), connect_timeout, budget, pool_limit);
        let pooled = (max_pooled > 0).then(|| builder.build(connector(Some(PoolLimit::new(max_pooled)))));
        let unpooled = builder.pool_max_idle_per_host(0).build(connector(None));
        Ok(Self { pooled, unpooled, max_body_bytes })
    }

    /// Sends a request. `deadline` is for the answer's head.
    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>, deadline: Instant) -> Sent {
        let agent = HeaderValue::from_static(concat!("logoutd/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        let mut resends = 0;
        loop {
            let (result, timing) = timing::recorded(self.send_once(&request, deadline)).await;
            match result {
                Err(error) if error.may_be_sent_again() && resends < MAX_RESENDS => resends += 1,
                result => return Sent { result, timing },
            }
        }
    }

    async fn send_once(
        &self,
        request: &Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Answered, SendError> {
        if let Some(pooled) = &self.pooled {
            match self.send_with(pooled, request.clone(), deadline).await {
                Err(error) if error.is_pool_full() => {}
                result => return result,
            }
        }
        self.send_with(&self.unpooled, request.clone(), deadline).await
    }

    async fn send_with(
        &self,
        client: &Client<Connector, Full<Bytes>>,
        mut request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Answered, SendError> {
        let interim = InterimResponses::count_of(&mut request);
        let captured = capture_connection(&mut request);
        let mut exchange = Exchange { interim, captured, guard: None };
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
            _request: exchange.guard,
        }
    }
}

impl Answered {
    /// Reads the body until the deadline or the limit. What is left is discarded, over HTTP/1 with the connection.
    pub(super) async fn read(mut self, deadline: Instant) -> (Vec<u8>, BodyEnd) {
        let mut body = Vec::new();
        loop {
            match timeout_at(deadline, self.body.frame()).await {
                Ok(None) => return (body, BodyEnd::Complete),
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

/// A request in progress.
struct Exchange {
    interim: InterimResponses,
    captured: CaptureConnection,
    /// Set once the request has a connection.
    guard: Option<RequestGuard>,
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
                () = handed_over(&mut self.captured), if self.guard.is_none() => self.on_connection(),
                () = interim.too_many() => return Err(self.too_large()),
            }
        };
        if self.guard.is_none() && self.is_handed_over() {
            self.on_connection();
        }
        if self.interim.are_too_many() {
            return Err(self.too_large());
        }
        response.map_err(|error| self.failed(error))
    }

    /// The request has a connection: its peer may send an answer.
    fn on_connection(&mut self) {
        let mut extras = Extensions::new();
        if let Some(connected) = &*self.captured.connection_metadata() {
            connected.get_extras(&mut extras);
        }
        if let Some(budget) = extras.get::<ByteBudget>() {
            self.interim.on_connection(budget);
            self.guard = Some(budget.begin_request());
        }
    }

    fn is_handed_over(&self) -> bool {
        self.captured.connection_metadata().is_some()
    }

    fn too_large(&self) -> SendError {
        SendError::given_up(SendErrorKind::AnswerTooLarge, self.is_handed_over())
    }

    fn failed(&self, error: legacy::Error) -> SendError {
        let overrun = self.guard.as_ref().is_some_and(RequestGuard::is_exceeded);
        SendError::failed(error, self.is_handed_over(), overrun)
    }
}

/// Returns when the request has a connection.
async fn handed_over(captured: &mut CaptureConnection) {
    let connected = captured.wait_for_connection_metadata().await.is_some();
    if !connected {
        // It will not have one: the request itself ends, with an error.
        std::future::pending::<()>().await;
    }
}
