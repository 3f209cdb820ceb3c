//! `/api/v2/clients`: clients, in the members of OpenID registration and in those of Auth0's Management API.
//!
//! What is written in one vocabulary is read in both. Who may be registered with what is the registry's to
//! say.

mod change;
mod create;
mod delete;
mod descriptive;
mod fields;
mod list;
mod oidc_logout;
mod probe;
mod schema;
mod show;
mod token;
mod twice;
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
