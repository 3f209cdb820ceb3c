//! `/.well-known/…`: what relying parties need to verify logout tokens.

mod jwks;
mod provider;

use utoipa_axum::routes;

use crate::http::route::Route;

/// The routes of this folder.
pub(crate) fn routes() -> Vec<Route> {
    vec![Route::open(routes!(provider::show)), Route::open(routes!(jwks::show))]
}
