//! The composition root: from a configuration to a running service.
//!
//! It hands each part what it needs and decides nothing else. A new part is built in [`App::build`] and added to the
//! list of [parts](parts::Parts) there.

mod check;
mod listeners;
mod parts;
mod store;
mod tls;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::listeners::{Listening, connection_shares};
use self::parts::Parts;
use self::tls::ListenersTls;
use crate::access::{AccessConfig, Authenticator, TrustedProxies};
use crate::ambient::Ambient;
use crate::config::{Config, Loaded};
use crate::delivery::{
    Attempter, AttempterConfig, Dispatcher, DispatcherConfig, Redelivery, Runner, Settler, Waiting,
};
use crate::domain::algorithm::SigningAlg;
use crate::domain::pairwise::{Pairwise, Subjects};
use crate::domain::retry::RetrySchedule;
use crate::egress::{Egress, EgressConfig, Policy};
use crate::http::{HttpState, ListPermits, MetricsText, Readiness, Trail};
use crate::intake::{Expiry, Intake, MetadataGuard, Writer, WriterConfig};
use crate::keyring::Keyring;
use crate::listen::{Shares, Tls};
use crate::registry::{ClientRegistry, ClientRegistryConfig};
use crate::shutdown::Shutdown;
use crate::storage::{DeliveryReader, Storage};

pub use self::check::check;
pub use self::listeners::Listeners;
pub use self::store::open_store_beside;

/// A service, ready to run.
pub struct App {
    store: Arc<dyn Storage>,
    keyring: Keyring,
    http: Arc<HttpState>,
    tls: ListenersTls,
    connections: Shares,
    ambient: Ambient,
    shutdown: Shutdown,
    /// All but the listeners.
    parts: Parts,
}

impl App {
    /// Opens the store and the keys, and builds the parts. They run until `shutdown`.
    pub async fn build(loaded: &Loaded, shutdown: &Shutdown, ambient: Ambient) -> anyhow::Result<Self> {
        let config = &loaded.config;
        check(loaded, &ambient)?;
        let connections = connection_shares(config)?;
        // Verifying access tokens needs it too.
        crate::keyring::provider::install();
        let keyring = open_keyring(config, &ambient).await?;
        let egress = Egress::new(egress_config(config, connections.outgoing_pooled))?;
        let store = store::open(config, &keyring, &ambient).await?;
        let tls = ListenersTls::open(loaded, &ambient)?;
        let base = Base { loaded, store: &store, keyring: &keyring, ambient: &ambient, shutdown };

        let subjects = Arc::new(subjects(loaded));
        let waiting = Waiting::new();
        let (dispatcher, settler) = base.delivery(egress, waiting.clone());
        dispatcher.restore().await?;
        let redelivery = base.redelivery(dispatcher.runner());
        let (intake, writer) = base.intake(dispatcher.runner(), &subjects);
        let expiry = Expiry::new(Arc::clone(&store) as _, intake.clone(), ambient.clone());
        let (authenticator, access_upkeep) = Authenticator::new(base.access())?;
        let http = Arc::new(HttpState {
            issuer: config.issuer.url.to_string(),
            jwks_uri: config.issuer.jwks_uri.clone(),
            keyring: keyring.clone(),
            intake,
            deliveries: Arc::clone(&store) as _,
            logs: Arc::clone(&store) as _,
            trail: Trail::new(Arc::clone(&store) as _, ambient.clone()),
            audit_subjects: config.audit.subjects,
            waiting,
            sessions: Arc::clone(&store) as _,
            clients: base.registry(dispatcher.runner(), subjects),
            prober: dispatcher.runner().prober(),
            redelivery: redelivery.clone(),
            clock: Arc::clone(&ambient.clock),
            metrics: Arc::clone(&ambient.metrics),
            gauges: dispatcher.gauges(),
            readiness: Readiness::new(Arc::clone(&store) as _, ambient.clone()),
            list_permits: ListPermits::default(),
            metrics_text: MetricsText::default(),
            authenticator,
            proxies: TrustedProxies::new(config.access.trusted_proxies.clone()),
            shutdown: shutdown.clone(),
        });

        let mut parts = Parts::default();
        // It ends when the listeners and the expiry, which hold the handles to the intake, have ended.
        parts.add("intake", writer.run());
        parts.add("expiry", expiry.run(shutdown.clone()));
        parts.add("settler", settler.run());
        parts.add("dispatcher", dispatcher.run(shutdown.clone()));
        parts.add("redelivery", redelivery.run(shutdown.clone()));
        parts.add("access", access_upkeep.run(shutdown.clone()));
        parts.add("audit", http.trail.clone().run(shutdown.clone()));
        parts.add("keyring", keyring.clone().watch(shutdown.drain_token()));
        for tls in tls.iter().cloned() {
            parts.add("watch of a certificate", tls.watch(shutdown.drain_token()));
        }
        let retention = config.store.retention;
        let sweeper = store::sweep(Arc::clone(&store) as _, ambient.clone(), retention, shutdown.clone());
        parts.add("sweeper", sweeper);

        Ok(Self { store, keyring, http, tls, connections, ambient, shutdown: shutdown.clone(), parts })
    }

    /// Runs until draining is requested and everything under way is finished, or until a stop is requested.
    ///
    /// A part that ends before that has crashed: the service drains and this returns an error.
    pub async fn run(self, listeners: Listeners) -> anyhow::Result<()> {
        let Self { store, http, tls, connections, ambient, shutdown, mut parts, .. } = self;
        let mut listen = |name, socket, tls, connections, router| {
            let metrics = Arc::clone(&ambient.metrics);
            let listening = Listening { name, socket, tls, connections, metrics };
            parts.add(name, listening.serve(router, shutdown.clone()));
        };
        listen("server", listeners.server, tls.server, connections.server, crate::http::server(&http));
        let management = crate::http::management(&http);
        listen("management", listeners.management, tls.management, connections.management, management);
        let trail = http.trail.clone();
        drop(http);

        let ended = parts.run(&shutdown).await;
        trail.finish().await;
        store.close().await;
        ended
    }

    /// The deliveries, to watch them from inside the process.
    pub fn deliveries(&self) -> Arc<dyn DeliveryReader> {
        Arc::clone(&self.store) as _
    }

    /// The keys, to reload them on request.
    pub fn keyring(&self) -> Keyring {
        self.keyring.clone()
    }

    /// The listeners' TLS, to reload it on request; none for listeners that speak plain HTTP.
    pub fn tls(&self) -> Vec<Tls> {
        self.tls.iter().cloned().collect()
    }
}

/// What parts are built from.
struct Base<'b> {
    loaded: &'b Loaded,
    store: &'b Arc<dyn Storage>,
    keyring: &'b Keyring,
    ambient: &'b Ambient,
    shutdown: &'b Shutdown,
}

impl Base<'_> {
    fn delivery(&self, egress: Egress, waiting: Waiting) -> (Dispatcher, Settler) {
        let Config { issuer, delivery, .. } = &self.loaded.config;
        let attempter = Attempter::new(AttempterConfig {
            issuer: issuer.url.to_string(),
            keyring: self.keyring.clone(),
            egress,
            schedule: RetrySchedule::new(delivery.schedule.clone())
                .expect("a configuration has at least one wait"),
            ambient: self.ambient.clone(),
        });
        Dispatcher::new(DispatcherConfig {
            queue: Arc::clone(self.store) as _,
            attempter,
            ambient: self.ambient.clone(),
            waiting,
            shutdown: self.shutdown.clone(),
            max_concurrency: delivery.max_concurrency,
            max_concurrency_per_client: delivery.max_concurrency_per_client,
            breaker: delivery.breaker,
        })
    }

    fn redelivery(&self, runner: Runner) -> Redelivery {
        let max_age = self.loaded.config.delivery.max_age;
        Redelivery::new(Arc::clone(self.store) as _, runner, self.ambient.clone(), max_age)
    }

    fn intake(&self, runner: Runner, subjects: &Arc<Subjects>) -> (Intake, Writer) {
        let config = &self.loaded.config;
        let guard = MetadataGuard::new(config.metadata.sensitive, Arc::clone(&self.ambient.metrics));
        Intake::new(WriterConfig {
            store: Arc::clone(self.store) as _,
            ambient: self.ambient.clone(),
            max_age: config.delivery.max_age,
            lifetimes: config.sessions,
            handoff: Box::new(runner),
            subjects: Arc::clone(subjects),
            guard: Arc::new(guard),
        })
    }

    fn registry(&self, runner: Runner, subjects: Arc<Subjects>) -> ClientRegistry {
        ClientRegistry::new(ClientRegistryConfig {
            store: Arc::clone(self.store) as _,
            policy: Policy::from(&self.loaded.config.egress),
            keyring: self.keyring.clone(),
            subjects,
            changes: Box::new(runner),
            ambient: self.ambient.clone(),
        })
    }

    fn access(&self) -> AccessConfig {
        AccessConfig {
            bootstrap: self.loaded.bootstrap_token.clone(),
            settings: self.loaded.config.access.clone(),
            store: Arc::clone(self.store) as _,
            ambient: self.ambient.clone(),
        }
    }
}

/// Opens the keys, and checks that every client of the configuration has one for its algorithm.
async fn open_keyring(config: &Config, ambient: &Ambient) -> anyhow::Result<Keyring> {
    let required: BTreeSet<SigningAlg> =
        config.clients.iter().map(|client| client.id_token_signed_response_alg).collect();
    let (keys, ambient) = (config.keys.clone(), ambient.clone());
    // It reads files, and on the first start generates RSA keys.
    let keyring = tokio::task::spawn_blocking(move || Keyring::open(keys, &required, ambient)).await??;
    Ok(keyring)
}

/// How the configuration has pairwise subjects computed.
pub fn subjects(loaded: &Loaded) -> Subjects {
    let format = loaded.config.issuer.pairwise.format;
    Subjects::new(loaded.pairwise_salt.clone().map(|salt| Pairwise::new(format, salt)))
}

/// The settings of outgoing requests, with up to `max_pooled` connections in the pool.
pub fn egress_config(config: &Config, max_pooled: usize) -> EgressConfig {
    EgressConfig {
        policy: Policy::from(&config.egress),
        timeout: config.delivery.timeout,
        ca_file: config.egress.ca_file.clone(),
        max_pooled,
    }
}
