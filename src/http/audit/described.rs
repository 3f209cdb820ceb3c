//! What each change is called, and which paths may be written down.

use std::borrow::Cow;
use std::str::FromStr;

use axum::http::Method;
use percent_encoding::percent_decode_str;

use crate::domain::ids::{ClientId, MAX_ID_CHARS, Sub};

/// A change: its method, its path, what it is called, and whether the ids in its path may be written down.
type Row = (&'static str, &'static str, &'static str, Ids);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ids {
    /// They name things.
    Shown,
    /// They name people.
    Hidden,
}

const CHANGES: &[Row] = &[
    ("POST", "/api/v2/clients", "Create a client", Ids::Shown),
    ("PATCH", "/api/v2/clients/{id}", "Update a client", Ids::Shown),
    ("DELETE", "/api/v2/clients/{id}", "Delete a client", Ids::Shown),
    ("POST", "/api/v2/clients/{id}/test", "Test a client's logout endpoint", Ids::Shown),
    ("PATCH", "/api/v2/sessions/{id}", "Update a session", Ids::Shown),
    ("DELETE", "/api/v2/sessions/{id}", "Delete a session", Ids::Shown),
    ("POST", "/api/v2/sessions/{id}/revoke", "Revoke a session", Ids::Shown),
    ("DELETE", "/api/v2/users/{id}/sessions", "Delete a user's sessions", Ids::Hidden),
    ("POST", "/api/v2/users/{id}/revoke-access", "Revoke a user's access", Ids::Hidden),
    ("POST", "/api/v2/deliveries/redeliver", "Redeliver deliveries", Ids::Shown),
    ("POST", "/api/v2/deliveries/{id}/redeliver", "Redeliver a delivery", Ids::Shown),
    ("POST", "/api/v2/keys/signing/rotate", "Rotate the signing keys", Ids::Shown),
    ("PUT", "/api/v2/keys/signing/{kid}/revoke", "Revoke a signing key", Ids::Shown),
    ("POST", "/oauth/token", "Log in with client credentials", Ids::Shown),
];

const OF_A_CLIENT: &str = "/api/v2/clients/{";
const OF_A_USER: &str = "/api/v2/users/{";

/// A route, as it is written down.
pub(super) struct Described {
    method: Method,
    path: &'static str,
    row: Option<&'static Row>,
}

impl Described {
    /// The route of this method and path.
    pub(super) fn route(method: &Method, path: &'static str) -> Self {
        let row = CHANGES.iter().find(|(of, at, ..)| *of == method.as_str() && *at == path);
        Self { method: method.clone(), path, row }
    }

    /// What its changes are called.
    pub(super) fn description(&self) -> String {
        self.row
            .map_or_else(|| format!("{} {}", self.method, self.path), |(_, _, text, _)| (*text).to_owned())
    }

    /// What may be written down of a request's path: all of it only where the table says so.
    pub(super) fn path(&self, requested: &str) -> String {
        match self.row {
            Some((.., Ids::Shown)) => requested.to_owned(),
            Some((.., Ids::Hidden)) | None => self.path.to_owned(),
        }
    }

    /// The client that a request's path names.
    pub(super) fn client_id(&self, requested: &str) -> Option<ClientId> {
        self.named(OF_A_CLIENT, requested)
    }

    /// The user whom a request's path names.
    pub(super) fn user_id(&self, requested: &str) -> Option<Sub> {
        self.named(OF_A_USER, requested)
    }

    fn named<T: FromStr>(&self, of: &str, requested: &str) -> Option<T> {
        self.path.starts_with(of).then(|| self.id(requested))??.parse().ok()
    }

    /// The id in a request's path, if it may be written down: whole, or its digest where it is too long to be one.
    pub(super) fn object(&self, requested: &str) -> Option<String> {
        let Some((.., Ids::Shown)) = self.row else { return None };
        let id = self.id(requested)?;
        if id.chars().count() <= MAX_ID_CHARS {
            return Some(id.into_owned());
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, id.as_bytes());
        let hex: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Some(format!("sha256:{}", hex.concat()))
    }

    /// The segment of a request's path that varies, decoded.
    fn id<'p>(&self, requested: &'p str) -> Option<Cow<'p, str>> {
        let at = self.path.split('/').position(|segment| segment.starts_with('{'))?;
        percent_decode_str(requested.split('/').nth(at)?).decode_utf8().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::management_routes;

    #[test]
    fn every_change_has_a_name() {
        for route in management_routes() {
            if !route.method.is_safe() && route.path.starts_with("/api/v2/") {
                let described = Described::route(&route.method, route.path);
                assert!(
                    described.row.is_some(),
                    "{} {} needs a row in CHANGES: what it is called in the audit trail, and whether the ids \
                     in its path name people",
                    route.method,
                    route.path
                );
            }
        }
    }

    #[test]
    fn users_are_not_named() {
        let user = Described::route(&Method::DELETE, "/api/v2/users/{id}/sessions");
        assert_eq!(user.path("/api/v2/users/auth0%7Calice/sessions"), "/api/v2/users/{id}/sessions");
        // Nor is anything else in a path that nobody has looked at.
        let unknown = Described::route(&Method::POST, "/api/v2/anything/{id}");
        assert_eq!(unknown.path("/api/v2/anything/alice"), "/api/v2/anything/{id}");
        assert_eq!(unknown.description(), "POST /api/v2/anything/{id}");
    }

    #[test]
    fn an_object_is_named_whole_or_by_its_digest() {
        let object = |path, requested: &str| Described::route(&Method::DELETE, path).object(requested);
        let session = |id: &str| object("/api/v2/sessions/{id}", &format!("/api/v2/sessions/{id}"));
        assert_eq!(session("a%2Fb%20%C3%BC").as_deref(), Some("a/b ü"));
        assert_eq!(session(&"x".repeat(255)), Some("x".repeat(255)));
        let digest = session(&"x".repeat(256)).unwrap();
        assert!(digest.starts_with("sha256:") && digest.len() == 7 + 64, "{digest}");
        assert_ne!(session(&format!("{}y", "x".repeat(255))), Some(digest));
        assert_eq!(object("/api/v2/users/{id}/sessions", "/api/v2/users/alice/sessions"), None);
        assert_eq!(session("%FF"), None);
    }

    #[test]
    fn a_client_is_named_by_its_path() {
        let client = |path, requested: &str| {
            Described::route(&Method::PATCH, path).client_id(requested).map(String::from)
        };
        let expected = Some("a/b c".to_owned());
        assert_eq!(client("/api/v2/clients/{id}", "/api/v2/clients/a%2Fb%20c"), expected);
        assert_eq!(client("/api/v2/clients/{id}/test", "/api/v2/clients/a%2Fb%20c/test"), expected);
        assert_eq!(client("/api/v2/clients", "/api/v2/clients"), None);
        assert_eq!(client("/api/v2/sessions/{id}", "/api/v2/sessions/shop"), None);
        assert_eq!(client("/api/v2/clients/{id}", "/api/v2/clients/%FF"), None);
    }
}
