//! `/api/v2/keys/signing`: the signing keys as Auth0's Management API shows them, their rotation, and
//! revoking one that leaked.

mod list;
mod revoke;
mod rotate;
mod show;
mod view;

use utoipa_axum::routes;

use crate::domain::access::Scope::{ReadSigningKeys, UpdateSigningKeys};
use crate::http::error::ApiError;
use crate::http::extract::PathSegment;
use crate::http::route::Route;
use crate::keyring::{Keyring, KeyringError, Kid};

/// The routes of this folder.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::scoped(ReadSigningKeys, routes!(list::list)),
        Route::scoped(UpdateSigningKeys, routes!(rotate::rotate)).recorded("Rotate the signing keys"),
        Route::scoped(ReadSigningKeys, routes!(show::show)),
        Route::scoped(UpdateSigningKeys, routes!(revoke::revoke)).recorded("Revoke a signing key"),
    ]
}

impl PathSegment for Kid {
    fn parse(text: &str) -> Result<Self, ApiError> {
        text.parse().map_err(|_| ApiError::inexistent("signing key"))
    }
}

/// Works with the keys on a blocking thread: reading files, making RSA keys and signing take their time.
async fn with_keys<T: Send + 'static>(
    keyring: Keyring,
    work: impl FnOnce(&Keyring) -> Result<T, KeyringError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(move || work(&keyring)).await;
    Ok(done.map_err(|_| ApiError::internal())??)
}
