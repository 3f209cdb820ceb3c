//! The composition root: from a configuration to a service that runs.
//!
//! The one place that names a backend. It decides nothing else: what a part needs is handed to it here,
//! and how long it runs is said here.

mod run;
mod tls;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use tokio::net::TcpListener;

use crate::access::{AccessConfig, Authenticator, JwtConfig, TrustedProxies, Upkeep};
use crate::clock::Clock;
use crate::config::{Config, ConfigErrors, Jwt, Loaded, StoreUrl};
use crate::delivery::{
    Attempter, AttempterConfig, Dispatcher, DispatcherConfig, Redelivery, Reservation, Runner, Settler,
    Waiting,
};
use crate::domain::algorithm::SigningAlg;
use crate::domain::breaker::BreakerRules;
use crate::domain::ids::ClientId;
use crate::domain::pairwise::{Pairwise, Subjects};
use crate::domain::retry::RetrySchedule;
use crate::egress::{Egress, EgressConfig, Policy};
use crate::entropy::Entropy;
use crate::http::{HttpState, ListPermits, MetricsText, Readiness, Trail};
use crate::intake::{Expiry, Handoff, Intake, MetadataGuard, Reserved, Writer, WriterConfig};
use crate::keyring::{Keyring, KeyringConfig};
use crate::listen::{self, Shares, Tls};
use crate::registry::{ClientChanges, ClientRegistry, ClientRegistryConfig};
use crate::shutdown::Shutdown;
use crate::storage::sqlite::SqliteStore;
use crate::storage::{DeliveryReader, Lease, LeasedDelivery, Storage, StorageError};
use crate::telemetry::Metrics;

use self::tls::ListenersTls;

/// The sockets the service listens on, already bound.
pub struct Listeners {
    /// For sources and relying parties.
    pub server: TcpListener,
    /// For operators.
    pub management: TcpListener,
}

impl Listeners {
    /// Binds the addresses of the configuration.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = async |key: &str, address| {
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {key} = {address}"))
        };
        Ok(Self {
            server: bind("server.listen", config.server.listen).await?,
            management: bind("management.listen", config.management.listen).await?,
        })
    }
}

/// A service, ready to run.
pub struct App {
    store: Arc<dyn Storage>,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    retention: Duration,
    http: Arc<HttpState>,
    tls: ListenersTls,
    writer: Writer,
    expiry: Expiry,
    dispatcher: Dispatcher,
    settler: Settler,
    redelivery: Redelivery,
    access: Upkeep,
    connections: Shares,
}

/// New deliveries go from the door straight to the attempts, where there is room.
struct ToRunner(Runner);

impl Handoff for ToRunner {
    fn reserve(&self, clients: &[&ClientId]) -> Box<dyn Reserved> {
        Box::new(Room(self.0.reserve(clients)))
    }

    fn queued(&self, clients: &[&ClientId]) {
        self.0.queued(clients.iter().copied());
    }
}

impl ClientChanges for ToRunner {
    fn changed(&self, client_id: &ClientId) {
        self.0.client_changed(client_id);
    }
}

struct Room(Reservation);

impl Reserved for Room {
    fn leases(&self) -> Vec<Option<Lease>> {
        self.0.leases()
    }

    fn start(self: Box<Self>, deliveries: Vec<LeasedDelivery>) {
        self.0.start(deliveries);
    }
}

impl App {
    /// Opens the store and the keys, and puts the parts together.
    pub async fn build(
        loaded: &Loaded,
        shutdown: &Shutdown,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> anyhow::Result<Self> {
        let config = &loaded.config;
        check(loaded, &clock, &entropy)?;
        let connections = connections(config)?;
        // What verifies access tokens needs it, wherever this runs.
        crate::keyring::provider::install();
        let keyring = open_keyring(config, &clock, &entropy).await?;
        let egress = Egress::new(egress_config(config, connections.outgoing_kept))?;
        let metrics = Arc::new(Metrics::new());
        let store = open_store(config, &keyring, Arc::clone(&metrics), clock.now()).await?;
        let tls = ListenersTls::open(loaded, &clock, &metrics)?;
        let waiting = Waiting::new();
        let attempter = Attempter::new(AttempterConfig {
            issuer: config.issuer.url.to_string(),
            keyring: keyring.clone(),
            egress,
            schedule: RetrySchedule::new(config.delivery.schedule.clone())
                .expect("a configuration has at least one wait"),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            metrics: Arc::clone(&metrics),
        });
        let (dispatcher, settler) = Dispatcher::new(DispatcherConfig {
            queue: Arc::clone(&store) as _,
            attempter,
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            waiting: waiting.clone(),
            metrics: Arc::clone(&metrics),
            shutdown: shutdown.clone(),
            max_concurrency: config.delivery.max_concurrency,
            max_concurrency_per_client: config.delivery.max_concurrency_per_client,
            breaker: breaker_rules(config),
        });
        dispatcher.restore().await?;
        let redelivery = Redelivery::new(
            Arc::clone(&store) as _,
            dispatcher.runner(),
            Arc::clone(&clock),
            Arc::clone(&entropy),
            config.delivery.max_age,
        );
        let subjects = Arc::new(subjects(loaded));
        let handoff = Box::new(ToRunner(dispatcher.runner()));
        let (intake, writer) =
            Intake::new(writer_config(loaded, &store, &clock, &entropy, &subjects, &metrics, handoff));
        let expiry = Expiry::new(Arc::clone(&store) as _, intake.clone(), Arc::clone(&clock));
        let clients = ClientRegistry::new(ClientRegistryConfig {
            store: Arc::clone(&store) as _,
            policy: egress_policy(config),
            keyring: keyring.clone(),
            subjects,
            changes: Box::new(ToRunner(dispatcher.runner())),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
        });
        let (authenticator, access) = Authenticator::new(access_config(loaded, &store, &clock))?;
        let http = Arc::new(HttpState {
            issuer: config.issuer.url.to_string(),
            jwks_uri: config.issuer.jwks_uri.clone(),
            keyring: keyring.clone(),
            intake,
            deliveries: Arc::clone(&store) as _,
            logs: Arc::clone(&store) as _,
            trail: Trail::new(Arc::clone(&store) as _, Arc::clone(&clock), entropy),
            audit_subjects: config.audit.subjects,
            waiting,
            sessions: Arc::clone(&store) as _,
            clients,
            prober: dispatcher.runner().prober(),
            redelivery: redelivery.clone(),
            clock: Arc::clone(&clock),
            metrics,
            gauges: dispatcher.gauges(),
            readiness: Readiness::new(Arc::clone(&store) as _, Arc::clone(&clock)),
            list_permits: ListPermits::default(),
            metrics_text: MetricsText::default(),
            authenticator,
            proxies: TrustedProxies::new(config.access.trusted_proxies.clone()),
            shutdown: shutdown.clone(),
        });
        Ok(Self {
            store,
            keyring,
            clock,
            retention: config.store.retention,
            http,
            tls,
            writer,
            expiry,
            dispatcher,
            settler,
            redelivery,
            access,
            connections,
        })
    }

    /// The deliveries, for whoever watches them from inside the process.
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

/// What the writer of events works with.
fn writer_config(
    loaded: &Loaded,
    store: &Arc<dyn Storage>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    subjects: &Arc<Subjects>,
    metrics: &Arc<Metrics>,
    handoff: Box<dyn Handoff>,
) -> WriterConfig {
    let config = &loaded.config;
    WriterConfig {
        store: Arc::clone(store) as _,
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
        max_age: config.delivery.max_age,
        lifetimes: config.sessions,
        handoff,
        subjects: Arc::clone(subjects),
        guard: Arc::new(MetadataGuard::new(config.metadata.sensitive, Arc::clone(metrics))),
        metrics: Arc::clone(metrics),
    }
}

/// Checks what the configuration alone cannot: the clients' URIs against the rules for outgoing requests,
/// their algorithms against the keys there are or will be, and the files of the listeners' TLS. It makes no keys.
pub fn check(loaded: &Loaded, clock: &Arc<dyn Clock>, entropy: &Arc<dyn Entropy>) -> anyhow::Result<()> {
    let config = &loaded.config;
    let policy = egress_policy(config);
    let keyring = Keyring::inspect(keyring_config(config), Arc::clone(clock), Arc::clone(entropy))?;
    let mut algs: BTreeSet<SigningAlg> = keyring.algorithms().into_iter().collect();
    algs.extend(&config.keys.algorithms);

    let mut problems = Vec::new();
    for (index, client) in config.clients.iter().enumerate() {
        if let Some(uri) = &client.backchannel_logout_uri
            && let Err(error) = policy.check_uri(uri)
        {
            let key = format!("clients[{index}].backchannel_logout_uri");
            problems.push(loaded.problem(&key, error.to_string()));
        }
        let alg = client.id_token_signed_response_alg;
        if !algs.contains(&alg) {
            let key = format!("clients[{index}].id_token_signed_response_alg");
            let fix = format!("there is no {alg} key; add \"{alg}\" to keys.algorithms, or import one");
            problems.push(loaded.problem(&key, fix));
        }
    }
    problems.extend(tls::problems(loaded));
    Ok(ConfigErrors::check(problems)?)
}

/// How many connections the listeners may have. It raises the process's limit of descriptors first.
fn connections(config: &Config) -> anyhow::Result<Shares> {
    let limit = listen::raise_limit();
    let (server, management) = (config.server.max_connections, config.management.max_connections);
    let max_concurrency = config.delivery.max_concurrency;
    let shares = listen::share_out(limit, max_concurrency, server, management)?;
    let Shares { server, management, outgoing_kept } = shares;
    tracing::debug!(limit, server, management, outgoing_kept, "most open connections");
    if outgoing_kept == 0 {
        tracing::warn!(
            limit,
            max_concurrency,
            "this process may open too few files for delivery.max_concurrency, and keeps no connection to a relying \
             party open; raise the limit (LimitNOFILE= of systemd, `ulimit -n`) or lower the setting"
        );
    }
    Ok(shares)
}

fn breaker_rules(config: &Config) -> BreakerRules {
    BreakerRules {
        failures: config.delivery.breaker_failures,
        pause: config.delivery.breaker_pause,
        max_pause: config.delivery.breaker_max_pause,
    }
}

/// Who may call, as the access takes it.
fn access_config(loaded: &Loaded, store: &Arc<dyn Storage>, clock: &Arc<dyn Clock>) -> AccessConfig {
    let access = &loaded.config.access;
    let jwt = access.jwt.clone().map(|jwt| {
        let Jwt { issuer, audience, jwks_uri, allow_http, scope_claims, ca_file } = jwt;
        JwtConfig { issuer, audience, jwks_uri, allow_http, scope_claims, ca_file }
    });
    AccessConfig {
        bootstrap: loaded.bootstrap_token.clone(),
        store: Arc::clone(store) as _,
        clock: Arc::clone(clock),
        failed_attempts: access.failed_attempts,
        rate_limit: access.rate_limit,
        jwt,
    }
}

/// Opens the store for a command that works on it beside a service that may be running; `make` it, if there is
/// none yet. To be [closed](crate::storage::Maintenance::close).
pub async fn open_store_beside(config: &Config, make: bool) -> anyhow::Result<Arc<dyn Storage>> {
    let StoreUrl::Sqlite(path) = &config.store.url;
    if !make && !path.exists() {
        anyhow::bail!(
            "there is no store at {} yet; `logoutd serve` makes it when it starts",
            config.store.url
        );
    }
    Ok(Arc::new(SqliteStore::open_beside(&config.store.url.to_string()).await?))
}

/// Opens the store, with the clients of the configuration in it and nothing left in flight, and has the keyring
/// hold on to what its clients use.
async fn open_store(
    config: &Config,
    keyring: &Keyring,
    metrics: Arc<Metrics>,
    now: Timestamp,
) -> anyhow::Result<Arc<dyn Storage>> {
    let url = config.store.url.to_string();
    let store = SqliteStore::open(&url).await?;
    let store: Arc<dyn Storage> =
        Arc::new(store.counting_unreadable(move |table| metrics.unreadable_row(table)));
    // A disk that is full or read-only may let it be opened, and refuse the first thing that is written.
    prepare(&*store, config, keyring, now)
        .await
        .with_context(|| format!("the store {url} could not be prepared"))?;
    Ok(store)
}

async fn prepare(
    store: &dyn Storage,
    config: &Config,
    keyring: &Keyring,
    now: Timestamp,
) -> Result<(), StorageError> {
    store.replace_file_clients(&config.clients, now).await?;
    for alg in keyring.require(store.client_algorithms().await?) {
        tracing::error!(
            %alg,
            "a client uses this algorithm and no key signs it: its deliveries wait until one is there"
        );
    }
    let recovered = store.recover(now).await?;
    if recovered > 0 {
        tracing::warn!(recovered, "attempts that an earlier run did not finish are made again");
    }
    Ok(())
}

/// Opens the keys, and checks that every client's algorithm has one.
async fn open_keyring(
    config: &Config,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> anyhow::Result<Keyring> {
    let required: BTreeSet<SigningAlg> =
        config.clients.iter().map(|client| client.id_token_signed_response_alg).collect();
    let (config, clock, entropy) = (keyring_config(config), Arc::clone(clock), Arc::clone(entropy));
    // It reads files, and on the first start makes RSA keys.
    let keyring =
        tokio::task::spawn_blocking(move || Keyring::open(config, &required, clock, entropy)).await??;
    Ok(keyring)
}

/// How the configuration has pairwise subjects computed.
pub fn subjects(loaded: &Loaded) -> Subjects {
    let format = loaded.config.issuer.pairwise.format;
    Subjects::new(loaded.pairwise_salt.clone().map(|salt| Pairwise::new(format, salt)))
}

/// The configuration's keys, as the keyring takes them.
pub fn keyring_config(config: &Config) -> KeyringConfig {
    KeyringConfig {
        directory: config.keys.directory.clone(),
        algorithms: config.keys.algorithms.clone(),
        rotate_every: config.keys.rotate_every,
        publish_before: config.keys.publish_before,
        publish_after: config.keys.publish_after,
    }
}

/// The settings of outgoing requests, with up to `max_pooled` connections in the pool.
pub fn egress_config(config: &Config, max_pooled: usize) -> EgressConfig {
    EgressConfig {
        policy: egress_policy(config),
        timeout: config.delivery.timeout,
        ca_file: config.egress.ca_file.clone(),
        max_pooled,
    }
}

/// Where logout tokens may be sent.
fn egress_policy(config: &Config) -> Policy {
    Policy::new(config.egress.allow_http, config.egress.allow_networks.clone())
}
