//! What is wrong with an event, by the path of the attribute or of the member of `data`.

use crate::domain::plan::{Field, Refusal};
use crate::intake::{AcceptError, SensitiveMetadata};

/// The longest message, in characters.
const MAX_MESSAGE_CHARS: usize = 400;

/// What is wrong with an event, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{message}", path, if path.is_empty() { "" } else { ": " })]
pub struct FieldError {
    path: String,
    message: String,
}

impl FieldError {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        let mut message = message.into();
        // Messages quote input, which can be as long as the body.
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE_CHARS) {
            message.truncate(end);
            message.push('…');
        }
        Self { path: path.into(), message }
    }

    pub(super) fn within(self, outer: &str) -> Self {
        let path = match self.path.as_str() {
            "" | "." => outer.to_owned(),
            inner if inner.starts_with('[') => format!("{outer}{inner}"),
            inner => format!("{outer}.{inner}"),
        };
        Self { path, ..self }
    }

    /// The same error, of the event with this index in a batch.
    #[must_use]
    pub fn at_index(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }

    /// Why intake did not accept an event, if the event is at fault.
    pub fn of_rejected_event(error: &AcceptError) -> Option<Self> {
        match error {
            AcceptError::Refused(refusal) => Some(Self::of_refusal(refusal)),
            AcceptError::Sensitive(refusal) => Some(Self::of_sensitive_metadata(refusal)),
            AcceptError::IdReused => {
                let message = "this source has already used this id for an event with other data; give each event \
                               its own id";
                Some(Self::new("id", message))
            }
            AcceptError::BatchRefused
            | AcceptError::BatchTooLarge
            | AcceptError::Busy
            | AcceptError::Unavailable
            | AcceptError::Unreadable => None,
        }
    }

    fn of_refusal(refusal: &Refusal) -> Self {
        const HINT: &str = "report session.created first, or name the clients in data.clients";
        let message = match refusal {
            Refusal::UnknownSession => format!("no such session, and no data.clients to tell; {HINT}"),
            Refusal::UnknownSubject => {
                format!("no session of this subject was ever reported, and no data.clients to tell; {HINT}")
            }
            other => other.to_string(),
        };
        Self::new(path(refusal.field()), message)
    }

    fn of_sensitive_metadata(refusal: &SensitiveMetadata) -> Self {
        let metadata = path(Field::SessionMetadata);
        let path = match refusal.key() {
            Some(key) => format!("{metadata}.{key}"),
            None => metadata.to_owned(),
        };
        Self::new(path, refusal.to_string())
    }
}

/// Where a `CloudEvent` has a field.
const fn path(field: Field) -> &'static str {
    match field {
        Field::Sid => "data.sid",
        Field::Sub => "data.sub",
        Field::ClientId => "data.client_id",
        Field::Clients => "data.clients",
        Field::ExcludeClients => "data.exclude_clients",
        Field::SessionMetadata => "data.session_metadata",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::Identifier;
    use crate::domain::session::Flow;

    #[test]
    fn refusals_have_the_path_of_their_field() {
        let shop = || "shop".parse().unwrap();
        for (refusal, expected) in [
            (
                Refusal::UnknownSession,
                "data.sid: no such session, and no data.clients to tell; report session.created first, or name the \
                 clients in data.clients",
            ),
            (
                Refusal::UnknownSubject,
                "data.sub: no session of this subject was ever reported, and no data.clients to tell; report \
                 session.created first, or name the clients in data.clients",
            ),
            (Refusal::SessionEnded, "data.sid: the session has ended and can no longer be updated"),
            (Refusal::SubMismatch, "data.sub: the session belongs to another subject"),
            (
                Refusal::UnknownClient { field: Field::ExcludeClients, client_id: shop() },
                "data.exclude_clients: client \"shop\" is not registered",
            ),
            (
                Refusal::NoIdentifier { client_id: shop(), needs: Identifier::Sid },
                "data.sid: client \"shop\" takes only tokens with a sid, and none is known for this session",
            ),
            (
                Refusal::NoIdentifier { client_id: shop(), needs: Identifier::Sub },
                "data.sub: client \"shop\" takes only tokens with a sub, and none is known for this session",
            ),
            (
                Refusal::TooManyClients { field: Field::ClientId, count: 1001 },
                "data.client_id: a session has at most 1000 clients, and this one would have 1001",
            ),
            (
                Refusal::MetadataFlow(Flow::NativeSocial),
                "data.session_metadata: only sessions of the browser flow can carry metadata, and this one's flow \
                 is native_social",
            ),
        ] {
            let error = FieldError::of_rejected_event(&AcceptError::Refused(refusal)).unwrap();
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.at_index(3).to_string(), format!("[3].{expected}"));
        }
    }

    #[test]
    fn only_an_event_at_fault_has_a_path() {
        let id = FieldError::of_rejected_event(&AcceptError::IdReused).unwrap().to_string();
        assert!(id.starts_with("id: this source has already used this id"), "{id}");
        for error in [AcceptError::BatchRefused, AcceptError::Busy, AcceptError::Unavailable] {
            assert_eq!(FieldError::of_rejected_event(&error), None);
        }
    }
}
