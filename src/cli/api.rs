//! A client of the service's HTTP API, for the commands.

use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::http::TlsArgs;
use super::server_url::ServerUrl;
use super::style::{BAD, paint};
use super::terminal::eprintln;

/// Longer than the longest `delivery.timeout` (60 s), because `clients test` waits for an attempt.
const TIMEOUT: Duration = Duration::from_secs(75);

/// How long a rate-limited request is retried, in all.
const MAX_RETRY_TIME: Duration = Duration::from_secs(5);

/// How to reach the service.
#[derive(Debug, Args)]
pub(super) struct ApiArgs {
    /// The service's management listener.
    #[arg(long, env = "LOGOUTD_URL", default_value = "http://127.0.0.1:8081", value_name = "URL")]
    server: String,
    /// An API token with the scopes that the command needs.
    #[arg(long, env = "LOGOUTD_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: String,
    #[command(flatten)]
    tls: TlsArgs,
    /// Print the service's answer as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// A client of the service.
pub(super) struct Api {
    server: ServerUrl,
    token: String,
    client: reqwest::Client,
}

/// The service refused the request. The reason has been printed to standard error.
#[derive(Debug, thiserror::Error)]
#[error("the service refused")]
pub(super) struct Refused;

impl Api {
    pub(super) fn new(args: &ApiArgs) -> anyhow::Result<Self> {
        let server = ServerUrl::parse(&args.server)?;
        Ok(Self { server, token: args.token.clone(), client: args.tls.client(TIMEOUT)? })
    }

    pub(super) async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        let url = url::Url::parse_with_params(&format!("{}{path}", self.server), query)
            .with_context(|| format!("{}{path} is not a URL", self.server))?;
        self.answer(path, self.client.request(Method::GET, url)).await
    }

    pub(super) async fn post(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.send(Method::POST, path, body).await
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::DELETE, path, None).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let request = self.client.request(method, format!("{}{path}", self.server));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.answer(path, request).await
    }

    /// The JSON of an answer; null for `204 No Content`.
    async fn answer(&self, path: &str, request: RequestBuilder) -> anyhow::Result<Value> {
        let response = self.send_with_retries(request.bearer_auth(&self.token)).await?;
        let status = response.status();
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let answer: Value = response
            .json()
            .await
            .map_err(|_| anyhow!("{}{path} is not logoutd: it answers {status} without JSON", self.server))?;
        if status.is_success() {
            return Ok(answer);
        }
        refuse(path, status, &answer);
        Err(Refused.into())
    }

    /// Sends a request, and retries it while it is rate-limited (`access.rate_limit`): a long list takes many requests.
    async fn send_with_retries(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let mut time_left = MAX_RETRY_TIME;
        loop {
            let request = request.try_clone().expect("a body in memory can be cloned");
            let response = request.send().await.with_context(|| format!("cannot reach {}", self.server))?;
            let Some(wait) = retry_after(&response).filter(|wait| *wait <= time_left) else {
                return Ok(response);
            };
            tokio::time::sleep(wait).await;
            time_left -= wait;
        }
    }
}

/// The `Retry-After` of a rate-limited request.
fn retry_after(response: &Response) -> Option<Duration> {
    if response.status() != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let seconds: u64 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.max(1)))
}

/// Prints why a request was refused.
pub(super) fn refuse(what: &str, status: StatusCode, answer: &Value) {
    let message = answer["message"].as_str().unwrap_or("the server gave no reason");
    eprintln!("{} {what}: {status}: {message}", paint(BAD, "✗"));
}
