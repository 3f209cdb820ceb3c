//! API tokens: everything about them but their secrets.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Result;
use crate::domain::access::{ApiToken, TokenHash, TokenId};

/// The API tokens.
#[async_trait]
pub trait TokenStore: Send + Sync + 'static {
    /// Stores a new token, to be found by the hash of its secret.
    async fn create_token(&self, token: &ApiToken, hash: &TokenHash) -> Result<()>;

    /// The token with this hash, even if it is revoked or expired.
    async fn token(&self, hash: &TokenHash) -> Result<Option<FoundToken>>;

    /// Every token, the oldest first.
    async fn tokens(&self) -> Result<Vec<ApiToken>>;

    /// Revokes a token, and returns it; `None` if there is none with this id. A token that is already revoked keeps its
    /// `revoked_at`.
    async fn revoke_token(&self, id: TokenId, now: Timestamp) -> Result<Option<ApiToken>>;

    /// Records when tokens were last used. Times earlier than the stored ones are ignored.
    async fn note_uses(&self, uses: &[(TokenId, Timestamp)]) -> Result<()>;
}

/// A token, and its stored hash.
#[derive(Clone, Debug)]
pub struct FoundToken {
    /// The token.
    pub token: ApiToken,
    /// To be compared with the presented token's in constant time.
    pub hash: TokenHash,
}
