//! `/api/v2/deliveries`: the queue as operators see it, and redelivery.

mod list;
mod redeliver;
mod redeliver_all;
mod show;
mod view;

pub(super) use list::list;
pub(super) use redeliver::redeliver;
pub(super) use redeliver_all::{job, redeliver_all};
pub(super) use show::show;
pub(super) use view::{AttemptView, attempt_view};

use utoipa::OpenApi;

use super::error::ApiError;
use crate::domain::ids::DeliveryId;

/// The operations of this folder, for the document.
#[derive(OpenApi)]
#[openapi(paths(
    list::list,
    show::show,
    redeliver::redeliver,
    redeliver_all::redeliver_all,
    redeliver_all::job
))]
pub(super) struct Operations;

/// The id in a path. What is no id names no delivery.
fn id(text: &str) -> Result<DeliveryId, ApiError> {
    text.parse().map(DeliveryId).map_err(|_| ApiError::inexistent("delivery"))
}
