//! Posts logout tokens: one client for all relying parties, and one deadline over each request.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use hyper::{Request, Uri};
use jiff::Timestamp;
use tokio::time::Instant;
use url::Host;

use super::outbound::{
    Lookup, Outbound, OutboundConfig, SendError, SendErrorKind, Sent, SystemLookup, TlsError,
};
use super::policy::Policy;
use crate::authorities::{self, AuthoritiesError};
use crate::domain::client::LogoutUri;
use crate::domain::delivery::Phases;

/// How much of an answer's body is read, in bytes. RPs have nothing to send but a short JSON error.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// How much of it is recorded, in bytes.
const RECORDED_BODY_BYTES: usize = 1024;

/// How logout tokens are sent.
#[derive(Clone, Debug)]
pub struct EgressConfig {
    /// Where they may be sent.
    pub policy: Policy,
    /// The deadline over DNS, connect, TLS, headers and body.
    pub timeout: Duration,
    /// A PEM bundle trusted beside the platform's roots.
    pub ca_file: Option<PathBuf>,
    /// How many connections may be pooled. Each is closed when it has been idle for a minute.
    pub max_pooled: usize,
}

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// `egress.ca_file` cannot be used.
    #[error("egress.ca_file: {0}")]
    CaFile(#[source] AuthoritiesError),
    /// TLS could not be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] TlsError),
}

/// A relying party's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// When it asks to be tried again (`Retry-After`, RFC 9110 §10.2.3), from now and not capped.
    pub retry_after: Option<Duration>,
    /// The first KiB of the body, with control characters and invalid UTF-8 replaced.
    pub body: String,
}

/// The result of posting a token.
#[derive(Debug)]
pub struct Posted {
    /// The answer, if there was one.
    pub result: Result<Answer, SendError>,
    /// How long the parts took, but for signing.
    pub phases: Phases,
    /// The address that it was sent to, or that was refused or could not be reached.
    pub remote_address: Option<IpAddr>,
}

/// Sends logout tokens. Clones share connections.
#[derive(Clone, Debug)]
pub struct Egress {
    outbound: Outbound,
    policy: Arc<Policy>,
    timeout: Duration,
}

impl Egress {
    /// Sets the client up.
    ///
    /// # Errors
    /// If the CA bundle cannot be read, or TLS cannot be set up.
    pub fn new(config: EgressConfig) -> Result<Self, EgressError> {
        Self::with_lookup(config, Arc::new(SystemLookup::new()))
    }

    pub(super) fn with_lookup(config: EgressConfig, lookup: Arc<dyn Lookup>) -> Result<Self, EgressError> {
        let EgressConfig { policy, timeout, ca_file, max_pooled } = config;
        let policy = Arc::new(policy);
        let authorities =
            ca_file.as_deref().map(authorities::read).transpose().map_err(EgressError::CaFile)?;
        // This client neither follows redirects nor uses proxies. Either would lead to addresses that are not checked.
        let outbound = Outbound::new(OutboundConfig {
            lookup,
            policy: Some(Arc::clone(&policy)),
            connect_timeout: connect_timeout(timeout),
            authorities: authorities.unwrap_or_default(),
            max_body_bytes: MAX_BODY_BYTES,
            max_pooled,
        })
        .map_err(EgressError::Client)?;
        Ok(Self { outbound, policy, timeout })
    }

    /// Posts a logout token (Back-Channel Logout 1.0 §2.5). `now` is what an HTTP date in `Retry-After` is
    /// measured from.
    ///
    /// A status is an answer, also if its body is not complete in time or is too long.
    pub async fn post_logout_token(&self, uri: &LogoutUri, token: &str, now: Timestamp) -> Posted {
        let request = match self.request(uri, token) {
            Ok(request) => request,
            Err(error) => {
                let (phases, remote_address) = (Phases::default(), literal_address(uri));
                return Posted { result: Err(error), phases, remote_address };
            }
        };
        let (began, deadline) = (Instant::now(), Instant::now() + self.timeout);
        let Sent { result, timing } = self.outbound.send(request, deadline).await;
        let after_connecting = began.elapsed().saturating_sub(timing.total());
        let mut phases = Phases { dns: timing.dns, connect: timing.connect(), ..Phases::default() };
        let remote_address = timing.address.or_else(|| literal_address(uri));
        let answered = match result {
            Ok(answered) => answered,
            Err(error) => return Posted { result: Err(error), phases, remote_address },
        };
        phases.answer = Some(after_connecting);
        let remote_address = answered.remote.map(|address| address.ip()).or(remote_address);
        let (status, retry_after) = (answered.status, retry_after(&answered.headers, now));
        let body_began = Instant::now();
        let (mut body, _) = answered.read(deadline).await;
        body.truncate(RECORDED_BODY_BYTES);
        phases.body = Some(body_began.elapsed());
        Posted { result: Ok(Answer { status, retry_after, body: printable(&body) }), phases, remote_address }
    }

    fn request(&self, uri: &LogoutUri, token: &str) -> Result<Request<Body>, SendError> {
        self.policy.check_uri(uri)?;
        let unusable = || SendError::before_connecting(SendErrorKind::InvalidUri);
        let uri: Uri = uri.url().as_str().parse().map_err(|_| unusable())?;
        // No character of a compact JWS needs to be percent-encoded.
        let body = Body::from(format!("logout_token={token}"));
        Request::post(uri)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(body)
            .map_err(|_| unusable())
    }
}

type Body = http_body_util::Full<Bytes>;

fn literal_address(uri: &LogoutUri) -> Option<IpAddr> {
    match uri.url().host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// A little shorter than the deadline, so that a timeout while connecting is recognised as one. The connector also
/// divides it among a name's addresses, of which the first may drop packets.
fn connect_timeout(timeout: Duration) -> Duration {
    timeout.saturating_sub((timeout / 20).min(Duration::from_millis(100)))
}

/// Text without control sequences: the answer is untrusted, and is shown on terminals and in logs.
fn printable(body: &[u8]) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(body).chars().map(shown).collect()
}

fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // The number of digits is not limited (RFC 9110 §10.2.3). A value that overflows is the longest wait.
        return Some(value.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(now.as_second()).ok()?);
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Fri, 02 Jan 2026 03:05:05 GMT", Some(60)),
            ("Fri, 02 Jan 2026 03:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(251_634_977_754)),
            ("18446744073709551615", Some(u64::MAX)),
            ("soon", None),
            ("-5", None),
            ("+5", None),
            ("1.5", None),
            ("", None),
            ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{value}");
        }
        for value in ["18446744073709551616".to_owned(), "9".repeat(5000)] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), Some(Duration::MAX), "{value}");
        }
    }

    #[test]
    fn an_answer_cannot_disturb_a_terminal() {
        assert_eq!(printable(b"a\x1b[31mb\r\nc\xff"), "a\u{fffd}[31mb\u{fffd}\nc\u{fffd}");
    }
}
