//! `/api/v2/sessions` and `/api/v2/users/{id}/sessions`: sessions in the shape of Auth0's Management API.
//!
//! A session that has ended is gone here, as it is there; what came of its end is in `/api/v2/deliveries`.

mod details;
mod end;
mod list;
mod show;
mod update;
mod view;

pub(crate) use end::{delete, delete_all, revoke, revoke_access};
pub(crate) use list::list;
pub(crate) use show::show;
pub(crate) use update::update;

use utoipa::OpenApi;

use crate::domain::ids::{Sid, Sub};
use crate::http::error::ApiError;

/// The operations of this folder, for the document.
#[derive(OpenApi)]
#[openapi(paths(
    show::show,
    update::update,
    end::delete,
    end::revoke,
    end::delete_all,
    end::revoke_access,
    list::list
))]
pub(crate) struct Operations;

/// The session in a path. What is no `sid` names no session.
fn sid(text: &str) -> Result<Sid, ApiError> {
    text.parse().map_err(|_| ApiError::inexistent_session())
}

/// The user in a path.
fn sub(text: &str) -> Result<Sub, ApiError> {
    text.parse()
        .map_err(|error: crate::domain::ids::IdError| ApiError::invalid_path("id", &error.to_string()))
}
