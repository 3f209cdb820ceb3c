//! The resources: a folder for each, a file for each handler. A folder's `routes` is what it serves.

mod breakers;
mod clients;
mod deliveries;
mod discovery;
mod events;
mod keys;
mod logs;
mod oauth;
mod service;
mod sessions;

pub(super) use service::openapi::Document;

use crate::http::route::Route;

/// The routes of `server.listen`, for sources and relying parties.
pub fn server_routes() -> Vec<Route> {
    [discovery::routes(), events::routes()].concat()
}

/// The routes of `management.listen`, for operators. Events are accepted here too, so that one URL serves all commands.
pub fn management_routes() -> Vec<Route> {
    [
        service::routes(),
        oauth::routes(),
        events::routes(),
        sessions::routes(),
        clients::routes(),
        deliveries::routes(),
        breakers::routes(),
        keys::routes(),
        logs::routes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::route::API;

    #[test]
    fn every_change_has_a_name() {
        for route in management_routes() {
            let Some(recorded) = route.recorded.filter(|_| route.path.starts_with(API)) else { continue };
            assert_ne!(
                recorded.name(),
                format!("{} {}", route.method, route.path),
                "name it for the audit trail: Route::recorded, or recorded_without_ids if its path names people"
            );
        }
    }

    #[test]
    fn users_are_not_named() {
        for route in management_routes() {
            if let Some(recorded) = route.recorded.filter(|_| route.path.starts_with("/api/v2/users/")) {
                assert_eq!(recorded.path("/api/v2/users/alice/…"), route.path);
            }
        }
    }
}
