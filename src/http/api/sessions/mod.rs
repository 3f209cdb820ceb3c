//! `/api/v2/sessions` and `/api/v2/users/{id}/sessions`: sessions in the shape of Auth0's Management API.
//!
//! A session that has ended is gone here, as it is there; what came of its end is in `/api/v2/deliveries`.

mod details;
mod end;
mod list;
mod show;
mod update;
mod view;

use utoipa_axum::routes;

use crate::domain::access::Scope::{ReadSessions, UpdateSessions};
use crate::domain::ids::{IdError, Sid, Sub};
use crate::http::error::ApiError;
use crate::http::extract::PathSegment;
use crate::http::route::Route;

/// The routes of this folder.
pub(crate) fn routes() -> Vec<Route> {
    let others = [
        Route::scoped(ReadSessions, routes!(show::show)),
        Route::scoped(UpdateSessions, routes!(update::update)).recorded("Update a session"),
        Route::scoped(ReadSessions, routes!(list::list)),
    ];
    others.into_iter().chain(end::routes()).collect()
}

impl PathSegment for Sid {
    fn parse(text: &str) -> Result<Self, ApiError> {
        text.parse().map_err(|_| ApiError::inexistent_session())
    }
}

impl PathSegment for Sub {
    fn parse(text: &str) -> Result<Self, ApiError> {
        text.parse().map_err(|error: IdError| ApiError::invalid_path("id", &error.to_string()))
    }
}
