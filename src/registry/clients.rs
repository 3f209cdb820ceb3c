//! The clients that are managed through the API, and those of the configuration file, which are only read.

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

/// How often a change is made again because somebody else made one meanwhile.
const TRIES: usize = 10;

/// Is told when a client is another than it was.
pub trait ClientChanges: Send + Sync + 'static {
    /// It was changed or removed, and that is stored.
    fn changed(&self, client_id: &ClientId);
}

/// What the registry works with.
pub struct ClientRegistryConfig {
    /// The clients.
    pub store: Arc<dyn ClientStore>,
    /// Where tokens may be sent.
    pub policy: Policy,
    /// What they can be signed with.
    pub keyring: Keyring,
    /// What they can be told of whom.
    pub subjects: Arc<Subjects>,
    /// Who has to know.
    pub changes: Box<dyn ClientChanges>,
    /// Time, randomness and metrics.
    pub ambient: Ambient,
}

/// The registered clients. Clones share them.
#[derive(Clone)]
pub struct ClientRegistry {
    config: Arc<ClientRegistryConfig>,
}

/// A member of a client that cannot be what it was to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {problem}")]
pub struct InvalidMember {
    /// The member, by its registration name.
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
    /// There is none of this id.
    #[error("the client does not exist")]
    Unknown,
    /// There is one of this id already.
    #[error("a client with this client_id exists already")]
    Exists,
    /// It is in the configuration file.
    #[error("the client is kept in the configuration file and is read-only here; change it there")]
    ReadOnly,
    /// A member is wrong.
    #[error(transparent)]
    Invalid(#[from] InvalidMember),
    /// Others kept changing it.
    #[error("the client is being changed by others; try again")]
    Contended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StorageError),
}

impl ClientRegistry {
    /// A registry that works with these.
    pub fn new(config: ClientRegistryConfig) -> Self {
        Self { config: Arc::new(config) }
    }

    /// A client.
    pub async fn client(&self, client_id: &ClientId) -> Result<Option<ClientRecord>, StorageError> {
        self.config.store.client(client_id).await
    }

    /// How many clients match.
    pub async fn count(&self, filter: &ClientFilter) -> Result<u64, StorageError> {
        self.config.store.client_count(filter).await
    }

    /// Clients that match, by `client_id`: up to `limit` of those after `after`, the first `skip` left out.
    pub async fn list(
        &self,
        filter: &ClientFilter,
        after: Option<&ClientId>,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<ClientRecord>, StorageError> {
        self.config.store.clients(filter, after, skip, limit).await
    }

    /// A client with nothing but its id, which is made up where it is `None`; not registered yet.
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
        self.hold_keys(Some(client.id_token_signed_response_alg)).await?;
        let now = self.config.ambient.now();
        if !self.config.store.create_client(&client, now).await? {
            return Err(ClientError::Exists);
        }
        tracing::info!(client_id = client.client_id.as_str(), "client registered");
        // Deliveries may wait for it: of a client of this id that was removed from the file.
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

    /// Changes a client: `change` is made to what it is now, again if somebody else changed it meanwhile, and
    /// then stored whole. One that is no longer subscribed has its waiting deliveries discarded.
    ///
    /// What changes nothing is not stored, and is no fault of a client that is read-only: tools write back what
    /// they read. The answer is the client, and whether it was changed.
    pub async fn update(
        &self,
        client_id: &ClientId,
        change: impl Fn(&mut ClientRecord) -> Result<(), InvalidMember>,
    ) -> Result<(ClientRecord, bool), ClientError> {
        for _ in 0..TRIES {
            let before = self.config.store.client(client_id).await?.ok_or(ClientError::Unknown)?;
            let mut record = before.clone();
            change(&mut record)?;
            record.subscribed &= record.client.backchannel_logout_uri.is_some();
            if before.origin == Origin::File {
                // How its defaults were set is not the file's.
                record.client.spelled_out = before.client.spelled_out;
            }
            if record == before {
                return Ok((record, false));
            }
            if before.origin == Origin::File {
                return Err(ClientError::ReadOnly);
            }
            self.check(&record.client)?;
            self.hold_keys(Some(record.client.id_token_signed_response_alg)).await?;
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

    /// Removes a client and discards its waiting deliveries; whether there was one.
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

    /// Tells whoever has to know of a change that is stored.
    async fn changed(&self, client_id: &ClientId) {
        self.config.changes.changed(client_id);
        // Keys that no client uses any more may go. If that cannot be found out they are held on to.
        if let Err(error) = self.hold_keys(None).await {
            tracing::warn!(error = %Causes(&error), "which algorithms clients use could not be read");
        }
    }

    /// A client that can be changed here.
    async fn managed(&self, client_id: &ClientId) -> Result<ClientRecord, ClientError> {
        let record = self.config.store.client(client_id).await?.ok_or(ClientError::Unknown)?;
        if record.origin == Origin::File {
            return Err(ClientError::ReadOnly);
        }
        Ok(record)
    }

    /// Checks what the client alone does not tell: where its tokens may go.
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

    /// Has the keyring hold on to a key of every algorithm that clients use, and of `new`, which a client is
    /// about to.
    async fn hold_keys(&self, new: Option<SigningAlg>) -> Result<(), ClientError> {
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
