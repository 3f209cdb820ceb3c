//! For operators and their monitoring: health, metrics, and the OpenAPI document. None requires a token.

mod health;
mod metrics;
pub(crate) mod openapi;

use utoipa_axum::routes;

use crate::http::route::Route;

/// The routes of this folder.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::open(routes!(health::live)),
        Route::open(routes!(health::ready)),
        Route::open(routes!(metrics::show)),
        Route::open(routes!(openapi::show)),
    ]
}
