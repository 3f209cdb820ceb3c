//! `/api/v2/sessions` and `/api/v2/users/{id}/…`.

mod bulk;
mod details;
mod lifecycle;
mod revoke_access;
