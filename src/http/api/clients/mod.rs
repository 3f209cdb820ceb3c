//! `/api/v2/clients`: clients, in the members of OpenID registration and in those of Auth0's Management API.
//!
//! What is written in one vocabulary is read in both. Who may be registered with what is the registry's to
//! say.

mod change;
mod create;
mod delete;
mod descriptive;
mod list;
mod oidc_logout;
mod probe;
mod schema;
mod show;
mod token;
mod twice;
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
