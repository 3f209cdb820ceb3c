//! Registered clients: those of the API, which can be changed, and those of the configuration file, which can only be
//! read.

use std::sync::Arc;

use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{Client, ClientRecord, Origin, SubjectType};
use crate::domain::ids::ClientId;
use crate::domain::pairwise::Subjects;
use crate::egress::Policy;
use crate::keyring::Keyring;
use crate::storage::{ClientFilter, ClientStore, StorageError};

/// How often a change is tried before it fails because of concurrent ones.
const MAX_TRIES: usize = 10;

/// A listener for changes of clients.
pub trait ClientChanges: Send + Sync + 'static {
    /// A client was registered, changed or removed, and that is committed.
    fn changed(&self, client_id: &ClientId);
}

/// What the registry needs.
pub struct ClientRegistryConfig {
    /// Where clients are stored.
    pub store: Arc<dyn ClientStore>,
    /// Which logout URIs are allowed.
    pub policy: Policy,
    /// The signing keys, which must cover the algorithms of all clients.
    pub keyring: Keyring,
    /// Whether pairwise subjects can be computed.
    pub subjects: Arc<Subjects>,
    /// Notified of every change.
    pub changes: Box<dyn ClientChanges>,
    /// Time, randomness and metrics.
    pub ambient: Ambient,
}

/// The registered clients. Clones share them.
#[derive(Clone)]
pub struct ClientRegistry {
    config: Arc<ClientRegistryConfig>,
}

/// A member of a client with an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {problem}")]
pub struct InvalidMember {
    /// The member, as the caller wrote it.
    pub member: String,
    /// What is wrong with it, and what it must be.
    pub problem: String,
}

impl InvalidMember {
    /// A problem with a member.
    pub fn new(member: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { member: member.into(), problem: problem.into() }
    }
}

/// Why a client was not registered, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no client of this id.
    #[error("the client does not exist")]
    Unknown,
    /// There is a client of this id already.
    #[error("a client with this client_id exists already")]
    Exists,
    /// The client is in the configuration file.
    #[error("the client is kept in the configuration file and is read-only here; change it there")]
    ReadOnly,
    /// A member is invalid.
    #[error(transparent)]
    Invalid(#[from] InvalidMember),
    /// Concurrent changes came first, each time.
    #[error("the client is being changed by others; try again")]
    Contended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StorageError),
}

impl ClientRegistry {
    /// Creates the registry.
    pub fn new(config: ClientRegistryConfig) -> Self {
        Self { config: Arc::new(config) }
    }

    /// Reads a client.
    pub async fn client(&self, client_id: &ClientId) -> Result<Option<ClientRecord>, StorageError> {
        self.config.store.client(client_id).await
    }

    /// Counts the clients that match.
    pub async fn count(&self, filter: &ClientFilter) -> Result<u64, StorageError> {
        self.config.store.client_count(filter).await
    }

    /// Lists clients that match, ordered by `client_id`: up to `limit` of those after `after`, without the first `skip`.
    pub async fn list(
        &self,
        filter: &ClientFilter,
        after: Option<&ClientId>,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<ClientRecord>, StorageError> {
        self.config.store.clients(filter, after, skip, limit).await
    }

    /// A client with default settings that is not registered yet. Without a `client_id` it gets a random one.
    pub fn blank(&self, client_id: Option<ClientId>) -> ClientRecord {
        let now = self.config.ambient.now();
        let client_id = client_id.unwrap_or_else(|| {
            let id = self.config.ambient.entropy.uuid_v4().simple().to_string();
            id.parse().expect("32 digits are a client_id")
        });
        let client = Client::new(client_id);
        ClientRecord {
            client,
            origin: Origin::Api,
            subscribed: false,
            revision: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// Registers a client.
    pub async fn create(&self, client: Client) -> Result<ClientRecord, ClientError> {
        self.check(&client)?;
        self.require_keys(Some(client.id_token_signed_response_alg)).await?;
        let now = self.config.ambient.now();
        if !self.config.store.create_client(&client, now).await? {
            return Err(ClientError::Exists);
        }
        tracing::info!(client_id = client.client_id.as_str(), "client registered");
        // There may be deliveries for it, from before a client of this id was removed from the file.
        self.config.changes.changed(&client.client_id);
        let subscribed = client.backchannel_logout_uri.is_some();
        Ok(ClientRecord {
            client,
            origin: Origin::Api,
            subscribed,
            revision: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// Changes a client: `change` is applied to its current state, and again after a concurrent change. A client that
    /// is no longer subscribed has its pending deliveries discarded. Returns the client, and whether it was changed.
    ///
    /// A change without an effect is not stored, and is not an error for a read-only client: tools write back what
    /// they read.
    pub async fn update(
        &self,
        client_id: &ClientId,
        change: impl Fn(&mut ClientRecord) -> Result<(), InvalidMember>,
    ) -> Result<(ClientRecord, bool), ClientError> {
        for _ in 0..MAX_TRIES {
            let before = self.config.store.client(client_id).await?.ok_or(ClientError::Unknown)?;
            let mut record = before.clone();
            change(&mut record)?;
            record.subscribed &= record.client.backchannel_logout_uri.is_some();
            if before.origin == Origin::File {
                // The file does not say how its defaults were set.
                record.client.spelled_out = before.client.spelled_out;
            }
            if record == before {
                return Ok((record, false));
            }
            if before.origin == Origin::File {
                return Err(ClientError::ReadOnly);
            }
            self.check(&record.client)?;
            self.require_keys(Some(record.client.id_token_signed_response_alg)).await?;
            let now = self.config.ambient.now();
            if self.config.store.replace_client(&record, now).await? {
                tracing::info!(client_id = client_id.as_str(), "client changed");
                self.changed(client_id).await;
                let record = ClientRecord { revision: record.revision + 1, updated_at: now, ..record };
                return Ok((record, true));
            }
        }
        Err(ClientError::Contended)
    }

    /// Removes a client and discards its pending deliveries. Returns whether there was one.
    pub async fn delete(&self, client_id: &ClientId) -> Result<bool, ClientError> {
        match self.managed(client_id).await {
            Err(ClientError::Unknown) => return Ok(false),
            other => other?,
        };
        let deleted = self.config.store.delete_client(client_id, self.config.ambient.now()).await?;
        if deleted {
            tracing::info!(client_id = client_id.as_str(), "client removed");
            self.changed(client_id).await;
        }
        Ok(deleted)
    }

    /// Notifies of a change that is committed.
    async fn changed(&self, client_id: &ClientId) {
        self.config.changes.changed(client_id);
        // Keys that no client uses any more can be retired; on an error they are kept.
        if let Err(error) = self.require_keys(None).await {
            tracing::warn!(error = %Causes(&error), "the algorithms that clients use cannot be read; keys of all of them are kept");
        }
    }

    /// Reads a client that is not read-only.
    async fn managed(&self, client_id: &ClientId) -> Result<ClientRecord, ClientError> {
        let record = self.config.store.client(client_id).await?.ok_or(ClientError::Unknown)?;
        if record.origin == Origin::File {
            return Err(ClientError::ReadOnly);
        }
        Ok(record)
    }

    /// Checks a client against its own settings and against those of the issuer.
    fn check(&self, client: &Client) -> Result<(), InvalidMember> {
        if let Some(contradiction) = client.contradictions().first() {
            return Err(InvalidMember::new(contradiction.field, contradiction.fix));
        }
        if let Some(uri) = &client.backchannel_logout_uri {
            self.config
                .policy
                .check_uri(uri)
                .map_err(|error| InvalidMember::new("backchannel_logout_uri", error.to_string()))?;
        }
        if client.subject_type == SubjectType::Pairwise && !self.config.subjects.can_compute() {
            let problem = "\"pairwise\" needs the OP's salt; have an operator set issuer.pairwise.salt_file (or \
                           issuer.pairwise.salt)";
            return Err(InvalidMember::new("subject_type", problem));
        }
        Ok(())
    }

    /// Makes the keyring keep a key of every algorithm that clients use, and of `new`, which a client is about to
    /// use.
    async fn require_keys(&self, new: Option<SigningAlg>) -> Result<(), ClientError> {
        let mut algs = self.config.store.client_algorithms().await?;
        algs.extend(new);
        let unsigned = self.config.keyring.require(algs);
        let Some(alg) = new.filter(|alg| unsigned.contains(alg)) else { return Ok(()) };
        let algs = self.config.keyring.algorithms();
        let algs = algs.iter().map(|alg| alg.as_str()).collect::<Vec<_>>().join(", ");
        let problem = format!(
            "there is no {alg} key; use one of {algs}, or have an operator add \"{alg}\" to keys.algorithms"
        );
        Err(InvalidMember::new("id_token_signed_response_alg", problem).into())
    }
}
