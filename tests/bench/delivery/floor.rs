//! The floor: what it costs to sign and send tokens, without a queue, a store or an event.
//!
//! The same keys, claims and HTTP client as the service has, in a plain loop with as many attempts under
//! way, from this process to the same relying party.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use logoutd::ambient::Ambient;
use logoutd::app::egress_config;
use logoutd::config::Config;
use logoutd::domain::client::Client;
use logoutd::domain::delivery::Intent;
use logoutd::domain::ids::DeliveryId;
use logoutd::domain::initiator::Initiator;
use logoutd::domain::metadata::SessionMetadata;
use logoutd::domain::session::SessionKey;
use logoutd::egress::Egress;
use logoutd::keyring::Keyring;
use logoutd::token;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cpu;
use crate::events::Terminations;

/// How fast tokens were sent.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sent {
    pub per_second: f64,
    /// CPU of this process for each.
    pub cpu_us: f64,
}

/// All that attempts need.
pub struct Floor {
    issuer: String,
    clients: Vec<Client>,
    keyring: Keyring,
    egress: Egress,
    ambient: Ambient,
}

impl Floor {
    /// With the configuration of a service, and all of its clients. Makes the keys where there are none.
    pub fn new(config: &Path) -> anyhow::Result<Arc<Self>> {
        Self::with(config, |_| true)
    }

    /// With one of its clients.
    pub fn of(config: &Path, client_id: &str) -> anyhow::Result<Arc<Self>> {
        Self::with(config, |client| client.client_id.as_str() == client_id)
    }

    fn with(config: &Path, wanted: impl Fn(&Client) -> bool) -> anyhow::Result<Arc<Self>> {
        let mut config = Config::load(config, [])?.config;
        config.clients.retain(wanted);
        let ambient = Ambient::system();
        let required = config.clients.iter().map(|client| client.id_token_signed_response_alg).collect();
        let keyring = Keyring::open(config.keys.clone(), &required, ambient.clone())?;
        let egress = Egress::new(egress_config(&config, 4096))?;
        let issuer = config.issuer.url.to_string();
        Ok(Arc::new(Self { issuer, clients: config.clients, keyring, egress, ambient }))
    }

    /// Sends tokens for about this long to all clients alike, so many at a time.
    pub async fn measure(self: &Arc<Self>, concurrency: u32, length: Duration) -> anyhow::Result<Sent> {
        let cpu_before = cpu::used(std::process::id())?;
        let began = Instant::now();
        let until = began + length;
        let mut workers = JoinSet::new();
        for index in 0..concurrency as usize {
            let floor = Arc::clone(self);
            workers.spawn(async move {
                let client = &floor.clients[index % floor.clients.len()];
                let intent = floor.intent(client)?;
                let mut sent = 0_u32;
                while Instant::now() < until {
                    floor.attempt(client, &intent).await?;
                    sent += 1;
                }
                anyhow::Ok(sent)
            });
        }
        let mut sent = 0;
        while let Some(ended) = workers.join_next().await {
            sent += ended.context("a worker of the floor panicked")??;
        }
        let per_second = f64::from(sent) / began.elapsed().as_secs_f64();
        let cpu = cpu::used(std::process::id())?.saturating_sub(cpu_before);
        Ok(Sent { per_second, cpu_us: cpu.as_secs_f64() * 1e6 / f64::from(sent) })
    }

    /// What `delivery::attempt` does between lease and settlement.
    async fn attempt(&self, client: &Client, intent: &Intent) -> anyhow::Result<()> {
        let now = self.ambient.now();
        let jti = self.ambient.entropy.uuid_v4();
        let uri = client.backchannel_logout_uri.as_ref().context("the client has a logout URI")?;
        let alg = client.id_token_signed_response_alg;
        let key = self.keyring.signing_key(alg).context("there is a key")?;
        let claims = token::claims(&self.issuer, client, intent, now, jti)?;
        let header = token::header(alg, key.kid().as_str(), client.token.typ);
        let token = if alg.is_rsa() {
            tokio::task::spawn_blocking(move || key.encode(&header, &claims)).await??
        } else {
            key.encode(&header, &claims)?
        };
        let answer = self.egress.post_logout_token(uri, &token, now).await.result?;
        ensure!(answer.status == 200, "the relying party answered {}", answer.status);
        Ok(())
    }

    fn intent(&self, client: &Client) -> anyhow::Result<Intent> {
        let now = self.ambient.now();
        let event = Terminations::at([]).next();
        Ok(Intent {
            id: DeliveryId(self.ambient.entropy.uuid_v7(now)),
            session_key: Some(SessionKey(self.ambient.entropy.uuid_v7(now))),
            sid: Some(event.sid.parse()?),
            sub: Some(event.sub.parse()?),
            sub_is_public: true,
            client_id: client.client_id.clone(),
            initiator: Initiator::RpLogout,
            session_metadata: SessionMetadata::default(),
            created_at: now,
            expires_at: now,
        })
    }
}
