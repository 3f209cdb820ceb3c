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
mod fields;
mod list;
mod oidc_logout;
mod probe;
mod schema;
mod settings;
mod show;
mod update;
mod view;

use utoipa_axum::routes;

use crate::domain::access::Scope::{CreateClients, DeleteClients, ReadClients, UpdateClients};
use crate::domain::ids::ClientId;
use crate::http::error::ApiError;
use crate::http::extract::PathSegment;
use crate::http::route::Route;

/// The routes of this folder.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::scoped(ReadClients, routes!(list::list)),
        Route::scoped(CreateClients, routes!(create::create)).recorded("Create a client"),
        Route::scoped(ReadClients, routes!(show::show)),
        Route::scoped(UpdateClients, routes!(update::update)).recorded("Update a client"),
        Route::scoped(DeleteClients, routes!(delete::delete)).recorded("Delete a client"),
        Route::scoped(UpdateClients, routes!(probe::probe)).recorded("Test a client's logout endpoint"),
    ]
}

impl PathSegment for ClientId {
    fn parse(text: &str) -> Result<Self, ApiError> {
        text.parse().map_err(|_| ApiError::inexistent_client())
    }
}
