//! `/api/v2/logs`: the audit trail, in the shape and with the paging of Auth0's Management API.

mod fields;
mod list;
mod q;
mod schema;
mod show;
mod view;

use utoipa_axum::routes;

use crate::domain::access::Scope::ReadLogs;
use crate::domain::log::LogId;
use crate::http::error::ApiError;
use crate::http::extract::PathSegment;
use crate::http::route::Route;

/// The routes of this folder.
pub(crate) fn routes() -> Vec<Route> {
    vec![Route::scoped(ReadLogs, routes!(list::list)), Route::scoped(ReadLogs, routes!(show::show))]
}

impl PathSegment for LogId {
    fn parse(text: &str) -> Result<Self, ApiError> {
        text.parse().map_err(|_| ApiError::inexistent("log entry"))
    }
}
