//! `/api/v2/keys/signing`: the signing keys as Auth0's Management API shows them, their rotation, and
//! revoking one that leaked.

mod list;
mod revoke;
mod rotate;
mod show;
mod view;

pub(crate) use list::list;
pub(crate) use revoke::revoke;
pub(crate) use rotate::rotate;
pub(crate) use show::show;

use utoipa::OpenApi;

use crate::http::error::ApiError;
use crate::http::state::HttpState;
use crate::keyring::{Keyring, KeyringError, Kid};

/// The operations of this folder, for the document.
#[derive(OpenApi)]
#[openapi(paths(list::list, show::show, rotate::rotate, revoke::revoke))]
pub(crate) struct Operations;

/// The kid in a path. What is no kid names no key.
fn kid(text: &str) -> Result<Kid, ApiError> {
    text.parse().map_err(|_| ApiError::inexistent("signing key"))
}

/// Works with the keys where files, RSA keys and signatures may take their time: not on an async worker.
async fn with_keys<T: Send + 'static>(
    state: &HttpState,
    work: impl FnOnce(&Keyring) -> Result<T, KeyringError> + Send + 'static,
) -> Result<T, ApiError> {
    let keyring = state.keyring.clone();
    let done = tokio::task::spawn_blocking(move || work(&keyring)).await;
    Ok(done.map_err(|_| ApiError::internal())??)
}
