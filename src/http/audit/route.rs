//! How the requests of a route appear in the audit trail, and which ids of their paths are recorded.

use std::borrow::Cow;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::domain::ids::{ClientId, MAX_ID_CHARS, Sub};

const OF_A_CLIENT: &str = "/api/v2/clients/{";
const OF_A_USER: &str = "/api/v2/users/{";

/// A route whose requests are recorded.
#[derive(Clone, Debug)]
pub(crate) struct RecordedRoute {
    /// The route's path, with `{name}` where a segment varies.
    path: String,
    name: String,
    /// Whether the ids in paths are recorded. Those that name people are not.
    with_ids: bool,
}

impl RecordedRoute {
    /// A route, and what its changes are called.
    pub(crate) fn new(path: &str, name: impl Into<String>) -> Self {
        Self { path: path.to_owned(), name: name.into(), with_ids: true }
    }

    /// The same route; the ids in its paths are not recorded.
    pub(crate) fn without_ids(self) -> Self {
        Self { with_ids: false, ..self }
    }

    /// What its changes are called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What is recorded of a request's path.
    pub(crate) fn path(&self, requested: &str) -> String {
        if self.with_ids { requested.to_owned() } else { self.path.clone() }
    }

    /// The client that a request's path names.
    pub(super) fn client_id(&self, requested: &str) -> Option<ClientId> {
        self.named(OF_A_CLIENT, requested)
    }

    /// The user that a request's path names.
    pub(super) fn user_id(&self, requested: &str) -> Option<Sub> {
        self.named(OF_A_USER, requested)
    }

    fn named<T: FromStr>(&self, of: &str, requested: &str) -> Option<T> {
        self.path.starts_with(of).then(|| self.id(requested))??.parse().ok()
    }

    /// The id in a request's path, if it is recorded: whole, or its digest where it is too long to be an id.
    pub(super) fn object(&self, requested: &str) -> Option<String> {
        if !self.with_ids {
            return None;
        }
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

    #[test]
    fn users_are_not_named() {
        let user =
            RecordedRoute::new("/api/v2/users/{id}/sessions", "Delete a user's sessions").without_ids();
        assert_eq!(user.path("/api/v2/users/auth0%7Calice/sessions"), "/api/v2/users/{id}/sessions");
        assert_eq!(user.object("/api/v2/users/alice/sessions"), None);
    }

    #[test]
    fn an_object_is_named_whole_or_by_its_digest() {
        let route = RecordedRoute::new("/api/v2/sessions/{id}", "Delete a session");
        let session = |id: &str| route.object(&format!("/api/v2/sessions/{id}"));
        assert_eq!(session("a%2Fb%20%C3%BC").as_deref(), Some("a/b ü"));
        assert_eq!(session(&"x".repeat(255)), Some("x".repeat(255)));
        let digest = session(&"x".repeat(256)).unwrap();
        assert!(digest.starts_with("sha256:") && digest.len() == 7 + 64, "{digest}");
        assert_ne!(session(&format!("{}y", "x".repeat(255))), Some(digest));
        assert_eq!(session("%FF"), None);
    }

    #[test]
    fn a_client_is_named_by_its_path() {
        let client =
            |path, requested: &str| RecordedRoute::new(path, "").client_id(requested).map(String::from);
        let expected = Some("a/b c".to_owned());
        assert_eq!(client("/api/v2/clients/{id}", "/api/v2/clients/a%2Fb%20c"), expected);
        assert_eq!(client("/api/v2/clients/{id}/test", "/api/v2/clients/a%2Fb%20c/test"), expected);
        assert_eq!(client("/api/v2/clients", "/api/v2/clients"), None);
        assert_eq!(client("/api/v2/sessions/{id}", "/api/v2/sessions/shop"), None);
        assert_eq!(client("/api/v2/clients/{id}", "/api/v2/clients/%FF"), None);
    }
}
