//! A service for a test: its own folder, store and keys, in this process, on ports of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use logoutd::ambient::Ambient;
use logoutd::app::{App, Listeners};
use logoutd::clock::{Clock, SystemClock};
use logoutd::config::Config;
use logoutd::shutdown::Shutdown;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{ISSUER, TOKEN, http};

/// How a test's service is configured.
pub struct Setup {
    pub folder: TempDir,
    text: String,
}

impl Setup {
    /// A service that dials loopback, retries at once, and keeps an ES256 key.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let text = format!(
            r#"
            [issuer]
            url = "{ISSUER}"
            [server]
            listen = "127.0.0.1:0"
            [management]
            listen = "127.0.0.1:0"
            [store]
            url = "sqlite://{store}"
            [keys]
            directory = "{keys}"
            algorithms = ["ES256"]
            "#,
            store = path("store.db"),
            keys = path("keys"),
        );
        Self { folder, text }
            .with("[egress]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]")
            .with("[delivery]\nschedule = [\"100ms\"]\ntimeout = \"1s\"")
    }

    /// Appends a piece of configuration. A section that was there before is replaced.
    pub fn with(mut self, toml: &str) -> Self {
        if let Some(section) =
            toml.trim().lines().next().filter(|it| it.starts_with('[') && !it.starts_with("[["))
            && let Some(at) = self.text.find(section)
        {
            let end = self.text[at + 1..].find("\n[").map_or(self.text.len(), |it| at + 1 + it);
            self.text.replace_range(at..end, "");
        }
        // Lists of tables have to come last.
        let clients = self.text.find("[[clients]]").unwrap_or(self.text.len());
        let at = if toml.trim_start().starts_with("[[") { self.text.len() } else { clients };
        self.text.insert_str(at, &format!("\n{toml}\n"));
        self
    }

    /// Adds an ES256 client at `uri`, with more settings.
    pub fn client(self, client_id: &str, uri: &str, settings: &str) -> Self {
        let alg = if settings.contains("id_token_signed_response_alg") {
            ""
        } else {
            "id_token_signed_response_alg = \"ES256\""
        };
        self.with(&format!(
            "[[clients]]\nclient_id = \"{client_id}\"\nbackchannel_logout_uri = \"{uri}\"\n{alg}\n{settings}\n"
        ))
    }

    /// Adds a setting to the store, whose URL stays.
    pub fn with_store_setting(mut self, setting: &str) -> Self {
        self.text = self.text.replacen("[store]\n", &format!("[store]\n{setting}\n"), 1);
        self
    }

    /// Takes all clients out.
    pub fn without_clients(mut self) -> Self {
        self.text.truncate(self.text.find("[[clients]]").unwrap_or(self.text.len()));
        self
    }

    /// Writes the configuration file.
    pub fn write(&self) -> PathBuf {
        let path = self.folder.path().join("config.toml");
        let text: Vec<_> = self.text.lines().map(str::trim_start).collect();
        std::fs::write(&path, text.join("\n")).unwrap();
        path
    }

    /// Starts the service.
    pub async fn start(self) -> TestApp {
        self.start_with(Arc::new(SystemClock)).await
    }

    /// Starts the service with a clock of the test's own.
    pub async fn start_with(self, clock: Arc<dyn Clock>) -> TestApp {
        TestApp::start(self, clock).await
    }
}

/// A service that runs.
pub struct TestApp {
    pub server: String,
    pub management: String,
    pub http: reqwest::Client,
    pub setup: Setup,
    shutdown: Shutdown,
    running: JoinHandle<anyhow::Result<()>>,
}

impl TestApp {
    async fn start(setup: Setup, clock: Arc<dyn Clock>) -> Self {
        let environment = [("LOGOUTD_BOOTSTRAP_TOKEN", TOKEN)];
        let loaded =
            Config::load(&setup.write(), environment.map(|(name, value)| (name.into(), value.into())))
                .unwrap_or_else(|problems| panic!("{problems}"));
        let shutdown = Shutdown::new();
        let ambient = Ambient { clock, ..Ambient::system() };
        let app = App::build(&loaded, &shutdown, ambient).await.unwrap_or_else(|error| panic!("{error:#}"));
        let listeners = Listeners::bind(&loaded.config).await.unwrap();
        let url = |address: SocketAddr, tls: bool| format!("http{}://{address}", if tls { "s" } else { "" });
        let (server, management) = (&loaded.config.server, &loaded.config.management);
        Self {
            server: url(listeners.server.local_addr().unwrap(), server.tls.is_some()),
            management: url(listeners.management.local_addr().unwrap(), management.tls.is_some()),
            http: http(),
            setup,
            running: tokio::spawn(app.run(listeners)),
            shutdown,
        }
    }

    /// Reports an event or a batch, and returns status and answer.
    pub async fn report(&self, event: &Value) -> (StatusCode, Value) {
        self.send(self.request(event)).await
    }

    /// Reports an event and waits for the outcome, at most `seconds`.
    pub async fn report_and_wait(&self, event: &Value, seconds: u32) -> (StatusCode, Value) {
        self.send(self.request(event).header("prefer", format!("wait={seconds}"))).await
    }

    /// Reports an event, and returns the state each of its deliveries reached within `seconds`, by client.
    pub async fn outcome(&self, event: &Value, seconds: u32) -> Vec<(String, String)> {
        let (status, answer) = self.report_and_wait(event, seconds).await;
        assert_eq!(status, 200, "{answer}");
        states(&answer)
    }

    fn request(&self, event: &Value) -> reqwest::RequestBuilder {
        let media_type = match event {
            Value::Array(_) => "application/cloudevents-batch+json",
            _ => "application/cloudevents+json",
        };
        self.http
            .post(format!("{}/events", self.server))
            .bearer_auth(TOKEN)
            .header("content-type", media_type)
            .body(event.to_string())
    }

    /// Sends any request, and returns status and JSON answer; null if it is empty.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> (StatusCode, Value) {
        let response = request.send().await.unwrap();
        let status = response.status();
        let body = response.bytes().await.unwrap();
        (status, if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
    }

    /// Asks the management API, whose paths begin with `/api/v2`.
    pub async fn api(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let url = format!("{}/api/v2{path}", self.management);
        let request = self.http.request(method, url).bearer_auth(TOKEN);
        self.send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    /// Reads from the management API.
    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.api(Method::GET, path, None).await
    }

    /// The public keys.
    pub async fn jwks(&self) -> Value {
        self.send(self.http.get(format!("{}/.well-known/jwks.json", self.server))).await.1
    }

    /// Drains the service, and gives its folder back.
    pub async fn stop(self) -> Setup {
        self.shutdown.drain();
        self.running.await.unwrap().unwrap();
        self.setup
    }
}

/// The state of each delivery in an answer, by client.
pub fn states(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let deliveries = answer["deliveries"].as_array().unwrap();
    let mut states: Vec<_> =
        deliveries.iter().map(|it| (text(&it["client_id"]), text(&it["state"]))).collect();
    states.sort();
    states
}
