//! The HTTP client for relying parties: one for all of them, with one deadline for everything.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, redirect};
use tokio::time::{Instant, timeout_at};
use url::Host;

use super::error::SendError;
use super::policy::Policy;
use super::resolver::GuardedResolver;
use super::timing::{ConnectTimer, recorded};
use crate::authorities::{self, AuthoritiesError};
use crate::domain::client::LogoutUri;
use crate::domain::delivery::Phases;

/// How much of an answer's body is read. A sane RP sends nothing, or a short JSON error.
const READ_AT_MOST: usize = 16 * 1024;

/// How much of it is kept.
const KEEP_AT_MOST: usize = 1024;

/// How long a connection is kept for the next token.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// How logout tokens are sent.
#[derive(Clone, Debug)]
pub struct EgressConfig {
    /// Where to.
    pub policy: Policy,
    /// The deadline over DNS, connect, TLS, headers and body.
    pub timeout: Duration,
    /// A PEM bundle trusted beside the platform's roots.
    pub ca_file: Option<PathBuf>,
}

/// The client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// `egress.ca_file` cannot be used.
    #[error("egress.ca_file: {0}")]
    CaFile(#[source] AuthoritiesError),
    /// TLS could not be set up.
    #[error("the HTTP client cannot be set up; are the platform's root certificates installed?")]
    Client(#[source] reqwest::Error),
}

/// What a relying party answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long it wants to be left alone (`Retry-After`, RFC 9110 §10.2.3), not capped.
    pub retry_after: Option<Duration>,
    /// The first KiB of the body; what is no printable text is replaced.
    pub body: String,
}

/// A token that was posted, or tried to be.
#[derive(Debug)]
pub struct Posted {
    /// What came of it.
    pub result: Result<Answer, SendError>,
    /// How long the parts took. Signing was before.
    pub phases: Phases,
    /// The address it was sent to, or would have been.
    pub remote_address: Option<IpAddr>,
}

/// Sends logout tokens. Clones share connections.
#[derive(Clone, Debug)]
pub struct Egress {
    client: reqwest::Client,
    policy: Arc<Policy>,
    timeout: Duration,
}

impl Egress {
    /// Sets the client up.
    pub fn new(config: EgressConfig) -> Result<Self, EgressError> {
        // reqwest takes the process's provider; whoever set one before has set ring's too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let policy = Arc::new(config.policy);
        let roots =
            config.ca_file.as_deref().map(authorities::read).transpose().map_err(EgressError::CaFile)?;
        let client = reqwest::Client::builder()
            .user_agent(concat!("logoutd/", env!("CARGO_PKG_VERSION")))
            // A redirect could lead anywhere, and a proxy would dial for us: both past the guard.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .dns_resolver(GuardedResolver::new(Arc::clone(&policy)))
            .connect_timeout(connect_timeout(config.timeout))
            .connector_layer(ConnectTimer)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tls_certs_merge(roots.unwrap_or_default())
            .build()
            .map_err(EgressError::Client)?;
        Ok(Self { client, policy, timeout: config.timeout })
    }

    /// Posts a logout token (Back-Channel Logout 1.0 §2.5). `now` is what an HTTP date in `Retry-After` is
    /// measured from.
    ///
    /// As soon as there is a status that is the answer, however slowly or endlessly its body comes.
    pub async fn post_logout_token(&self, uri: &LogoutUri, token: &str, now: Timestamp) -> Posted {
        if let Err(forbidden) = self.policy.check_uri(uri) {
            return Posted {
                result: Err(forbidden.into()),
                phases: Phases::default(),
                remote_address: literal_address(uri),
            };
        }
        let (began, deadline) = (Instant::now(), Instant::now() + self.timeout);
        let request = self
            .client
            .post(uri.url().clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            // A compact JWS has nothing that a form would escape.
            .body(format!("logout_token={token}"));
        let (response, connecting) = recorded(timeout_at(deadline, request.send())).await;
        let after_connecting = began.elapsed().saturating_sub(connecting.whole());
        let mut phases = Phases { dns: connecting.dns, connect: connecting.connect(), ..Phases::default() };
        let mut remote_address = connecting.address.or_else(|| literal_address(uri));

        let response = match response {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Posted { result: Err(error.into()), phases, remote_address },
            Err(_) => {
                let result = Err(SendError::deadline(!connecting.is_unfinished()));
                return Posted { result, phases, remote_address };
            }
        };
        phases.answer = Some(after_connecting);
        remote_address = response.remote_addr().map(|address| address.ip()).or(remote_address);
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), now);
        let headed = Instant::now();
        let body = read(response, deadline).await;
        phases.body = Some(headed.elapsed());
        Posted { result: Ok(Answer { status, retry_after, body: printable(&body) }), phases, remote_address }
    }
}

fn literal_address(uri: &LogoutUri) -> Option<IpAddr> {
    match uri.url().host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// A little shorter than the whole deadline, so that a timeout while connecting comes as such. It also makes
/// the client share the time out among a name's addresses, where the first may be a black hole.
fn connect_timeout(timeout: Duration) -> Duration {
    timeout.saturating_sub((timeout / 20).min(Duration::from_millis(100)))
}

/// The beginning of a body, as far as it comes in time. Whatever is left is dropped with its connection.
async fn read(mut response: Response, deadline: Instant) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < READ_AT_MOST {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
    }
    body.truncate(KEEP_AT_MOST);
    body
}

/// Text that cannot disturb a terminal or a log: an RP's answer is not ours to trust.
fn printable(body: &[u8]) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(body).chars().map(shown).collect()
}

fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
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
            ("soon", None),
            ("-5", None),
            ("1.5", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn an_answer_cannot_disturb_a_terminal() {
        assert_eq!(printable(b"a\x1b[31mb\r\nc\xff"), "a\u{fffd}[31mb\u{fffd}\nc\u{fffd}");
    }
}
