//! The registered clients.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use super::Result;
use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{Client, ClientRecord};
use crate::domain::ids::ClientId;

/// The registered clients. Where a change ends a client's subscription, the client's pending deliveries are discarded
/// before the method returns.
#[async_trait]
pub trait ClientStore: Send + Sync + 'static {
    /// Replaces all clients of the configuration file by these. A client whose RP had answered 410 is subscribed again.
    async fn replace_file_clients(&self, clients: &[Client], now: Timestamp) -> Result<()>;

    /// A client.
    async fn client(&self, client_id: &ClientId) -> Result<Option<ClientRecord>>;

    /// How many clients match.
    async fn client_count(&self, filter: &ClientFilter) -> Result<u64>;

    /// Matching clients ordered by `client_id`: up to `limit`, after `after` and the first `skip`.
    async fn clients(
        &self,
        filter: &ClientFilter,
        after: Option<&ClientId>,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<ClientRecord>>;

    /// The signing algorithms of all subscribed clients.
    async fn client_algorithms(&self) -> Result<BTreeSet<SigningAlg>>;

    /// Registers a client of the API's; `false` if its id is taken.
    async fn create_client(&self, client: &Client, now: Timestamp) -> Result<bool>;

    /// Replaces a client of the API's, and whether it is subscribed; `false` if it was removed or its revision is
    /// another by now.
    async fn replace_client(&self, record: &ClientRecord, now: Timestamp) -> Result<bool>;

    /// Removes a client of the API's; `false` if there is none.
    async fn delete_client(&self, client_id: &ClientId, now: Timestamp) -> Result<bool>;
}

/// Which clients to list. `None` does not restrict. Both members are descriptive ones of the registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFilter {
    /// `app_type` is one of these.
    pub app_types: Option<BTreeSet<String>>,
    /// `is_first_party` is this. Its default is true.
    pub first_party: Option<bool>,
}
