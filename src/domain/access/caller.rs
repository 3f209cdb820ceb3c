//! Whoever a request comes from.

use super::token::TokenId;
use crate::domain::ids::{ClientId, Sub, TokenName};

/// Whoever a request comes from, once a token has said so. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// The bearer of the bootstrap token.
    Bootstrap,
    /// The bearer of an API token.
    ApiToken {
        /// The token's id.
        id: TokenId,
        /// What people call it.
        name: TokenName,
    },
    /// The bearer of an access token of the configured issuer: a user, a client, or one through the other.
    Jwt {
        /// The access token's `sub`. It is personal data.
        subject: Option<Sub>,
        /// The access token's `client_id`, or its `azp`.
        client: Option<ClientId>,
    },
}
