//! `POST /oauth/token`: the client credentials grant (RFC 6749 §4.4), for tools that insist on logging in. The client
//! is an API token: its id and its secret.
//!
//! What comes back bears the API token's own rights for as long as that lives; see [`Login`]. Errors have the shape of
//! RFC 6749 §5.2, not that of the API: these tools know no other.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::access::{Authenticator, Denied, Login, Source, TrustedProxies};
use crate::clock::Clock;
use crate::http::error::whole_seconds;
use crate::http::extract;
use crate::http::extract::query::is_percent_encoded;
use crate::http::route::Route;

/// The largest body, in bytes: anybody may send one.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// The route of this file.
pub(crate) fn routes() -> Vec<Route> {
    vec![Route::open(routes!(log_in)).recorded("Log in with client credentials")]
}

/// The grant. Other parameters, such as `audience` and `scope`, are ignored (RFC 6749 §3.2): there is one API, and an API
/// token has its scopes.
#[derive(Default, Deserialize, ToSchema)]
struct TokenRequest {
    /// The only one there is: `client_credentials`.
    #[schema(
        required = true,
        nullable = false,
        pattern = "^client_credentials$",
        example = "client_credentials"
    )]
    grant_type: Option<String>,
    /// The API token's id; here, or as the user name of HTTP basic authentication.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// Its secret; here, or as the password.
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// A bearer token.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenAnswer)]
struct Answer<'a> {
    /// For `Authorization: Bearer …`.
    access_token: &'a str,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// For how many seconds it is good: as long as the API token. A day for one that never expires.
    #[schema(minimum = 0)]
    expires_in: u64,
    /// What it allows, separated by spaces.
    #[schema(example = "read:logs")]
    scope: String,
}

/// Why no token was issued (RFC 6749 §5.2).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OAuthError)]
#[expect(clippy::struct_field_names, reason = "they are the RFC's")]
struct Error {
    #[schema(example = "invalid_client", pattern = "^[a-z_]+$")]
    error: &'static str,
    /// For people.
    error_description: Cow<'static, str>,
    #[serde(skip)]
    #[schema(ignore)]
    status: StatusCode,
    #[serde(skip)]
    #[schema(ignore)]
    retry_after: Option<Duration>,
}

/// Logs in with an API token.
///
/// OAuth 2.0, client credentials: for tools that take no token as it is. Its id and secret are in the body, or in
/// `Authorization: Basic`.
#[utoipa::path(
    post,
    path = "/oauth/token",
    tag = "service",
    operation_id = "logIn",
    request_body(content(
        (TokenRequest = "application/x-www-form-urlencoded"),
        (TokenRequest = "application/json", example = json!({
            "grant_type": "client_credentials", "client_id": "019a2b3c-…", "client_secret": "logoutd_…"
        })),
    )),
    responses(
        (status = 200, description = "A bearer token of the API token's scopes and remaining life.", body = Answer),
        (status = 400, description = "`invalid_request`, `unsupported_grant_type`.", body = Error),
        (status = 401, description = "`invalid_client`: there is no such API token, or not any more.", body = Error,
            headers(("WWW-Authenticate" = String, description = "The challenge of RFC 7617."))),
        (status = 413, description = "`invalid_request`: the body has more than 16 KiB.", body = Error),
        (status = 429, description = "`too_many_requests`: as for the API.", body = Error,
            headers(("Retry-After" = u64, description = "After how many seconds to try again."))),
        (status = 503, description = "`temporarily_unavailable`: the store is not available.", body = Error,
            headers(("Retry-After" = u64, description = "After how many seconds to try again."))),
    )
)]
async fn log_in(
    State(authenticator): State<Authenticator>,
    State(proxies): State<TrustedProxies>,
    State(clock): State<Arc<dyn Clock>>,
    request: Request,
) -> Response {
    let source = extract::source(&request, &proxies);
    let mut response = match try_to(&authenticator, source, clock.now(), request).await {
        Ok(login) => answer(&login),
        Err(error) => error.into_response(),
    };
    // RFC 6749 §5.1.
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

fn answer(login: &Login) -> Response {
    let body = Answer {
        access_token: login.bearer.expose_secret(),
        token_type: "Bearer",
        expires_in: login.lifetime.as_secs(),
        scope: login.scopes.to_string(),
    };
    let mut response = Json(body).into_response();
    // For the audit trail.
    response.extensions_mut().insert(login.caller.clone());
    response
}

async fn try_to(
    authenticator: &Authenticator,
    source: Source,
    now: Timestamp,
    request: Request,
) -> Result<Login, Error> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| Error {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        ..Error::invalid_request("the body could not be read, or has more than 16384 bytes")
    })?;
    let request = TokenRequest::read(&parts.headers, &body)?;
    match request.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(_) => {
            return Err(Error::new(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "grant_type must be client_credentials",
            ));
        }
        None => return Err(Error::invalid_request("grant_type is required: client_credentials")),
    }
    let (id, secret) = request.credentials(&parts.headers)?;
    let login = authenticator.log_in(source, &id, &secret, now).await?;
    match authenticator.spend(&login.caller).and_then(|budget| budget.exceeded) {
        Some(wait) => Err(Error::too_many_requests("The rate limit of this token has been reached", wait)),
        None => Ok(login),
    }
}

impl TokenRequest {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Error> {
        let content_type = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media_type.as_str() {
            "application/x-www-form-urlencoded" => Self::of_form(body),
            "application/json" if body.trim_ascii_start().starts_with(b"{") => serde_json::from_slice(body)
                .map_err(|_| {
                    Error::invalid_request(
                        "the body must be a JSON object whose grant_type, client_id and client_secret are strings, \
                         each given once",
                    )
                }),
            "application/json" => Err(Error::invalid_request("the body must be a JSON object")),
            _ => Err(Error::invalid_request(
                "Content-Type must be application/x-www-form-urlencoded or application/json",
            )),
        }
    }

    fn of_form(body: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(body).ok().filter(|text| is_percent_encoded(text));
        let text = text.ok_or_else(|| Error::invalid_request("the body must be percent-encoded UTF-8"))?;
        let mut request = Self::default();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            let parameter = match &*name {
                "grant_type" => &mut request.grant_type,
                "client_id" => &mut request.client_id,
                "client_secret" => &mut request.client_secret,
                _ => continue,
            };
            if parameter.replace(value.into_owned()).is_some() {
                return Err(Error::invalid_request("a parameter must be given once"));
            }
        }
        Ok(request)
    }

    /// The id and the secret, by either of the ways of RFC 6749 §2.3.1, and not by both.
    fn credentials(self, headers: &HeaderMap) -> Result<(String, String), Error> {
        let Some(header) = headers.get(AUTHORIZATION) else {
            return self.client_id.zip(self.client_secret).ok_or_else(|| {
                Error::invalid_client(
                    "client_id and client_secret are required: an API token's id and secret",
                )
            });
        };
        if self.client_secret.is_some() {
            return Err(Error::invalid_request(
                "credentials must be in the Authorization header or in the body",
            ));
        }
        // What is no such header is a wrong secret, and counts as one.
        let (id, secret) = header.to_str().ok().and_then(basic).unwrap_or_default();
        if self.client_id.is_some_and(|other| other != id) && !id.is_empty() {
            return Err(Error::invalid_request("client_id must be the one in the Authorization header"));
        }
        Ok((id, secret))
    }
}

/// The id and the secret in a `Basic` header, both of which are form-encoded in it.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |part: &str| Some(percent_decode_str(part).decode_utf8().ok()?.into_owned());
    Some((decoded(id)?, decoded(secret)?))
}

impl Error {
    fn new(status: StatusCode, error: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self { error, error_description: description.into(), status, retry_after: None }
    }

    fn invalid_request(description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    fn invalid_client(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description)
    }

    fn too_many_requests(description: impl Into<Cow<'static, str>>, wait: Duration) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", description);
        Self { retry_after: Some(wait), ..error }
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        let description = denied.to_string();
        match denied {
            Denied::TooManyFailures { retry_after } => Self::too_many_requests(description, retry_after),
            Denied::StoreUnavailable | Denied::KeysUnavailable => {
                let error =
                    Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", description);
                Self { retry_after: Some(Duration::from_secs(1)), ..error }
            }
            Denied::Invalid(_) | Denied::Expired(_) | Denied::Revoked | Denied::InsufficientScope(_) => {
                Self::invalid_client(description)
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"logoutd\""));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait).max(1)));
        }
        response
    }
}
