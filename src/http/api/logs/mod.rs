//! `/api/v2/logs`: the audit trail, in the shape and with the paging of Auth0's Management API.

mod fields;
mod list;
mod q;
mod schema;
mod show;
mod view;

pub(crate) use list::list;
pub(crate) use show::show;

use utoipa::OpenApi;

/// The operations of this folder, for the document.
#[derive(OpenApi)]
#[openapi(paths(list::list, show::show))]
pub(crate) struct Operations;
