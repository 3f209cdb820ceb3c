//! `/api/v2/deliveries`: the queue as operators see it, and redelivery.

mod list;
mod redeliver;
mod redeliver_all;
mod show;
mod view;

pub(crate) use list::list;
pub(crate) use redeliver::redeliver;
pub(crate) use redeliver_all::{job, redeliver_all};
pub(crate) use show::show;
pub(crate) use view::{AttemptView, attempt_view};

use utoipa::OpenApi;

use crate::domain::ids::DeliveryId;
use crate::http::error::ApiError;

/// The operations of this folder, for the document.
#[derive(OpenApi)]
#[openapi(paths(
    list::list,
    show::show,
    redeliver::redeliver,
    redeliver_all::redeliver_all,
    redeliver_all::job
))]
pub(crate) struct Operations;

/// The id in a path. What is no id names no delivery.
fn id(text: &str) -> Result<DeliveryId, ApiError> {
    text.parse().map(DeliveryId).map_err(|_| ApiError::inexistent("delivery"))
}
