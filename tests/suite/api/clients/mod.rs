//! `/api/v2/clients`.

mod auth0;
mod registration;
