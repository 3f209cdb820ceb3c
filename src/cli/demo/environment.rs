//! The environment of the demo: a temporary service, three relying parties on loopback, and the events.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use super::progress;
use crate::ambient::Ambient;
use crate::app::{App, Listeners};
use crate::cli::http::{self, TlsArgs};
use crate::cli::jwks::{JwksLocation, JwksSource};
use crate::cli::style::{DIM, GOOD, paint};
use crate::cli::terminal::println;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::domain::ids::DeliveryId;
use crate::relying_party::mock::{Behaviour, MockRp, Received};
use crate::relying_party::verify::Expected;
use crate::shutdown::Shutdown;
use crate::storage::DeliveryReader;

/// How often the failing relying party fails before it accepts a token.
pub(super) const FAILURES: u32 = 2;

/// The events of Alice's session: the files of `fixtures/events`, in order.
const EVENTS: &[(&str, &str)] = &[
    (
        "Alice logs in, to the shop and the wiki",
        include_str!("../../../fixtures/events/01-alice-logs-in.json"),
    ),
    (
        "she opens the blog with the same session",
        include_str!("../../../fixtures/events/02-alice-opens-the-blog.json"),
    ),
    (
        "she changes to another organisation",
        include_str!("../../../fixtures/events/03-alice-changes-organisation.json"),
    ),
    (
        "an administrator revokes the session",
        include_str!("../../../fixtures/events/04-an-admin-revokes-the-session.json"),
    ),
];

/// A delivery of the demo.
pub(super) struct Watched {
    pub(super) id: DeliveryId,
    pub(super) client_id: String,
}

/// Everything that runs.
pub(super) struct Environment {
    folder: TempDir,
    server: SocketAddr,
    management: SocketAddr,
    token: String,
    shutdown: Shutdown,
    service: JoinHandle<anyhow::Result<()>>,
    parties: Vec<Party>,
    down: SocketAddr,
    pub(super) store: Arc<dyn DeliveryReader>,
}

/// A relying party that is up.
pub(super) struct Party {
    pub(super) client_id: &'static str,
    pub(super) received: UnboundedReceiver<Received>,
    address: SocketAddr,
    behaviour: Behaviour,
}

impl Environment {
    /// Starts everything, on free ports.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let server = TcpListener::bind("127.0.0.1:0").await?;
        let management = TcpListener::bind("127.0.0.1:0").await?;
        let (server_address, management_address) = (server.local_addr()?, management.local_addr()?);
        let issuer = format!("http://{server_address}");
        let shutdown = Shutdown::new();

        let mut parties = Vec::new();
        for (client_id, behaviour) in [("shop", Behaviour::Ok), ("blog", Behaviour::FailFirst(FAILURES))] {
            parties.push(Party::start(client_id, behaviour, &issuer, &shutdown).await?);
        }
        // Bound and released again, so that nothing listens on this port.
        let down = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;

        let ambient = Ambient::system();
        let token = ambient.entropy.uuid_v4().simple().to_string();
        let text = configuration(&folder, &issuer, &parties, down);
        let path = folder.path().join("config.toml");
        std::fs::write(&path, &text).context("cannot write the demo's configuration")?;
        let environment = [("LOGOUTD_BOOTSTRAP_TOKEN".into(), token.clone().into())];
        let loaded = Config::load(&path, environment)?;
        let app = App::build(&loaded, &shutdown, ambient).await?;
        let store = app.deliveries();
        let service = tokio::spawn(app.run(Listeners { server, management }));
        Ok(Self {
            folder,
            server: server_address,
            management: management_address,
            token,
            shutdown,
            service,
            parties,
            down,
            store,
        })
    }

    /// Prints the relying parties.
    pub(super) fn introduce(&self) {
        println!("logoutd runs at http://{}, on a temporary store. Its relying parties:", self.server);
        println!();
        for party in &self.parties {
            let manner = match party.behaviour {
                Behaviour::FailFirst(times) => format!("answers 503 {times} times, then 200; ES256"),
                _ => "is healthy, and gets the session metadata; RS256".to_owned(),
            };
            println!("  {:<5} {} {manner}", party.client_id, paint(DIM, party.address));
        }
        println!("  {:<5} {} is down", "wiki", paint(DIM, self.down));
    }

    /// Reports the events over HTTP, as an OP would; returns the resulting deliveries.
    pub(super) async fn send_events(&self) -> anyhow::Result<Vec<Watched>> {
        let client = http::client(Duration::from_secs(10))?;
        let url = format!("http://{}/events", self.server);
        let mut watched = Vec::new();
        for (caption, event) in EVENTS {
            let response = client
                .post(&url)
                .bearer_auth(&self.token)
                .header(CONTENT_TYPE, "application/cloudevents+json")
                .body(*event)
                .send()
                .await?;
            let status = response.status();
            let answer: Value = response.json().await?;
            ensure!(status.is_success(), "the event was refused: {answer}");
            let r#type =
                serde_json::from_str::<Value>(event)?["type"].as_str().unwrap_or_default().to_owned();
            println!("  {} {type:<21} {caption} {}", paint(GOOD, "✓"), paint(DIM, status.as_u16()));
            for delivery in answer["deliveries"].as_array().into_iter().flatten() {
                watched.push(Watched {
                    id: serde_json::from_value(delivery["id"].clone())?,
                    client_id: delivery["client_id"].as_str().unwrap_or_default().to_owned(),
                });
            }
        }
        Ok(watched)
    }

    /// The relying parties that are up.
    pub(super) fn parties(&mut self) -> &mut [Party] {
        &mut self.parties
    }

    /// Prints what to try next.
    pub(super) fn suggest(&self) {
        let url = format!("http://{}", self.server);
        println!();
        println!("The demo keeps running until Ctrl-C. In another terminal, try:");
        println!();
        let management = format!("http://{}", self.management);
        println!("  export LOGOUTD_URL={management} LOGOUTD_TOKEN={}", self.token);
        for (command, why) in [
            ("logoutd events send --wait 5 fixtures/quick-start.json".to_owned(), "another session ends"),
            ("logoutd deliveries list".to_owned(), "delivered and pending deliveries"),
            (format!("curl {management}/metrics"), "the metrics"),
            (format!("curl {url}/.well-known/jwks.json"), "the public keys"),
        ] {
            println!("  {command:<56} {}", paint(DIM, format_args!("# {why}")));
        }
        println!();
        println!("Then put it beside your own OP: README.md, \"Put it beside your OP\".");
        println!();
    }

    /// Prints what is delivered until Ctrl-C.
    pub(super) async fn until_interrupted(&mut self, deliveries: &[Watched]) -> anyhow::Result<()> {
        let interrupted = tokio::signal::ctrl_c();
        tokio::select! {
            () = progress::follow(&mut self.parties) => {}
            interrupted = interrupted => interrupted.context("cannot listen for Ctrl-C")?,
        }
        println!();
        println!("Stopping; the temporary store with its {} deliveries is removed.", deliveries.len());
        Ok(())
    }

    /// Stops everything and removes the temporary folder.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.drain();
        self.service.await??;
        self.folder.close().context("cannot remove the temporary folder")
    }
}

impl Party {
    async fn start(
        client_id: &'static str,
        behaviour: Behaviour,
        issuer: &str,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let expected = Expected {
            issuer: Some(issuer.to_owned()),
            client_id: Some(client_id.to_owned()),
            leeway: Duration::ZERO,
        };
        let (sender, received) = unbounded_channel();
        let keys = JwksSource::new(JwksLocation::Discovery(issuer.to_owned()), &TlsArgs::default())?;
        let party = MockRp::new(expected, behaviour, keys, Arc::new(SystemClock), sender);
        let token = shutdown.drain_token();
        tokio::spawn(async move {
            // It ends with the demo, or if its socket fails, which shows in its deliveries.
            let _ = party.serve(listener, async move { token.cancelled().await }).await;
        });
        Ok(Self { client_id, received, address, behaviour })
    }
}

fn configuration(folder: &TempDir, issuer: &str, parties: &[Party], down: SocketAddr) -> String {
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let uri = |client_id: &str| {
        let address = parties.iter().find(|it| it.client_id == client_id).map_or(down, |it| it.address);
        format!("http://{address}/backchannel-logout")
    };
    let initiators = "initiators = \"all\"";
    format!(
        r#"
issuer.url = "{issuer}"
store.url = "sqlite://{store}"
keys.directory = "{keys}"
egress.allow_http = true
egress.allow_networks = ["127.0.0.0/8"]
delivery.schedule = ["1s", "2s", "5s"]

[[clients]]
client_id = "shop"
backchannel_logout_uri = "{shop}"
id_token_signed_response_alg = "RS256"
session_metadata = true
{initiators}

[[clients]]
client_id = "blog"
backchannel_logout_uri = "{blog}"
id_token_signed_response_alg = "ES256"
{initiators}

[[clients]]
client_id = "wiki"
backchannel_logout_uri = "{wiki}"
id_token_signed_response_alg = "ES256"
{initiators}
"#,
        store = path("demo.db").display(),
        keys = path("keys").display(),
        shop = uri("shop"),
        blog = uri("blog"),
        wiki = uri("wiki"),
    )
}
