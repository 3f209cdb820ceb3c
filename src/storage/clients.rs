//! The registered clients.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use super::Result;
use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{Client, ClientRecord};
use crate::domain::ids::ClientId;

/// The registered clients. Whoever is no longer subscribed after a change has its waiting deliveries
/// discarded before the change returns.
#[async_trait]
pub trait ClientStore: Send + Sync + 'static {
    /// Makes the clients of the configuration file exactly these: adds, replaces and removes. A client whose
    /// RP had answered 410 is subscribed again.
    async fn replace_file_clients(&self, clients: &[Client], now: Timestamp) -> Result<()>;

    /// A client.
    async fn client(&self, client_id: &ClientId) -> Result<Option<ClientRecord>>;

    /// How many clients match.
    async fn client_count(&self, filter: &ClientFilter) -> Result<u64>;

    /// Clients that match, by `client_id`: up to `limit` of those after `after`, the first `skip` left out.
    async fn clients(
        &self,
        filter: &ClientFilter,
        after: Option<&ClientId>,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<ClientRecord>>;

    /// The algorithms that clients' tokens are signed with.
    async fn client_algorithms(&self) -> Result<BTreeSet<SigningAlg>>;

    /// Registers a client through the API; `false` if there is one of this id.
    async fn create_client(&self, client: &Client, now: Timestamp) -> Result<bool>;

    /// Replaces a client of the API's and whether it is subscribed; `false` if its revision is another by
    /// now, or it is gone.
    async fn replace_client(&self, record: &ClientRecord, now: Timestamp) -> Result<bool>;

    /// Removes a client of the API's; `false` if there is none.
    async fn delete_client(&self, client_id: &ClientId, now: Timestamp) -> Result<bool>;
}

/// Which clients; what is `None` does not restrict. Both are members of the registration that nothing here
/// acts on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFilter {
    /// `app_type` is one of these.
    pub app_types: Option<BTreeSet<String>>,
    /// `is_first_party` is this; where it is not said, a client is one.
    pub first_party: Option<bool>,
}
