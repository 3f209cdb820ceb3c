//! The authenticated caller of a request.

use super::token::TokenId;
use crate::domain::ids::{ClientId, Sub, TokenName};

/// The caller that a valid token identifies. Contains no secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// The bearer of the bootstrap token.
    Bootstrap,
    /// The bearer of an API token.
    ApiToken {
        /// The token's id.
        id: TokenId,
        /// The token's name.
        name: TokenName,
    },
    /// The bearer of an access token of the configured issuer: a user, a client, or a user through a client.
    Jwt {
        /// The access token's `sub`. Personal data.
        subject: Option<Sub>,
        /// The access token's `client_id`, or else its `azp`.
        client: Option<ClientId>,
    },
}
