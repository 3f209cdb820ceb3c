//! `/api/v2/deliveries`: the queue as operators see it, and redelivery.

mod list;
mod redeliver;
mod redeliver_all;
mod show;
mod view;

pub(super) use view::{AttemptView, attempt_view};

use utoipa_axum::routes;

use crate::domain::access::Scope::{ReadDeliveries, UpdateDeliveries};
use crate::domain::ids::DeliveryId;
use crate::http::error::ApiError;
use crate::http::extract::PathSegment;
use crate::http::route::Route;

/// The routes of this folder.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::scoped(ReadDeliveries, routes!(list::list)),
        Route::scoped(UpdateDeliveries, routes!(redeliver_all::redeliver_all))
            .recorded("Redeliver deliveries"),
        Route::scoped(ReadDeliveries, routes!(show::show)),
        Route::scoped(UpdateDeliveries, routes!(redeliver::redeliver)).recorded("Redeliver a delivery"),
        Route::scoped(ReadDeliveries, routes!(redeliver_all::job)),
    ]
}

impl PathSegment for DeliveryId {
    fn parse(text: &str) -> Result<Self, ApiError> {
        text.parse().map(Self).map_err(|_| ApiError::inexistent("delivery"))
    }
}
