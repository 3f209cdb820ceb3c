//! `/api/v2/clients`: clients, with the members of OpenID registration and those of Auth0's Management API.
//!
//! Settings are defined in `domain::client`. A body has them under their own names and under Auth0's; both are
//! translated into one document, which is merged into the client. An answer has them under both names. The registry
//! decides which clients are valid.

mod auth0;
mod change;
mod create;
mod delete;
mod descriptive;
mod fault;
mod list;
mod oidc_logout;
mod probe;
mod schema;
mod settings;
mod show;
mod update;
mod view;

pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use list::list;
pub(crate) use probe::probe;
pub(crate) use show::show;
pub(crate) use update::update;

use utoipa::OpenApi;

use crate::domain::ids::ClientId;
use crate::http::error::ApiError;

/// The operations of this folder, for the document.
#[derive(OpenApi)]
#[openapi(paths(list::list, create::create, show::show, update::update, delete::delete, probe::probe))]
pub(crate) struct Operations;

/// The client in a path. What is no `client_id` names no client.
fn client_id(text: &str) -> Result<ClientId, ApiError> {
    text.parse().map_err(|_| ApiError::inexistent_client())
}
