//! Reporters: the namespaces of event ids.
//!
//! Event ids are scoped to their reporter, so that one reporter can neither use up another's ids nor have another's
//! event treated as a duplicate.

use std::sync::Arc;

use ring::digest::{Context, SHA256};

use super::caller::Caller;

/// Identifies a reporter: the first 8 bytes of a SHA-256. It is stored with each event.
pub type ReporterKey = [u8; 8];

/// The identity under which a caller reports events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reporter {
    key: ReporterKey,
    label: Arc<str>,
}

impl Reporter {
    /// The caller's reporter.
    ///
    /// API tokens are identified by name, not by id: after a rotation the new token of the same name repeats events
    /// that the old one reported, and they must be recognised as duplicates. Only operators can name tokens.
    pub fn of(caller: &Caller) -> Self {
        match caller {
            Caller::Bootstrap => Self::new(&["bootstrap"], "the bootstrap token"),
            Caller::ApiToken { id: _, name } => {
                Self::new(&["api token", name.as_str()], &format!("API token {name}"))
            }
            Caller::Jwt { subject, client } => {
                // The `sub` is personal data: it goes into the hash, not into the label.
                let label = match client {
                    Some(client) => format!("access token of client {client}"),
                    None => "access token of a user".to_owned(),
                };
                let client = client.as_ref().map_or("", |client| client.as_str());
                let subject = subject.as_ref().map_or("", |subject| subject.as_str());
                Self::new(&["access token", client, subject], &label)
            }
        }
    }

    fn new(identity: &[&str], label: &str) -> Self {
        let mut context = Context::new(&SHA256);
        for part in identity {
            // Identifiers have no control characters, so NUL is an unambiguous separator.
            context.update(part.as_bytes());
            context.update(b"\0");
        }
        let digest = context.finish();
        let key = digest.as_ref().first_chunk().expect("a SHA-256 digest has 32 bytes");
        Self { key: *key, label: label.into() }
    }

    /// The reporter's key.
    pub fn key(&self) -> ReporterKey {
        self.key
    }

    /// The reporter's name in logs. It contains neither secrets nor a user's `sub`.
    pub fn label(&self) -> &str {
        &self.label
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::access::TokenId;

    fn token(id: u128, name: &str) -> Reporter {
        let id = TokenId(Uuid::from_u128(id));
        Reporter::of(&Caller::ApiToken { id, name: name.parse().unwrap() })
    }

    fn jwt(subject: Option<&str>, client: Option<&str>) -> Reporter {
        Reporter::of(&Caller::Jwt {
            subject: subject.map(|it| it.parse().unwrap()),
            client: client.map(|it| it.parse().unwrap()),
        })
    }

    #[test]
    fn reporters_have_distinct_keys_and_tokens_of_one_name_share_one() {
        let all = [
            Reporter::of(&Caller::Bootstrap),
            token(1, "our OP"),
            token(1, "bootstrap"),
            jwt(Some("our OP"), None),
            jwt(None, Some("our OP")),
            jwt(Some("alice"), Some("cli")),
            jwt(Some("alice"), Some("spa")),
            jwt(Some("bob"), Some("cli")),
        ];
        for (n, one) in all.iter().enumerate() {
            for (m, other) in all.iter().enumerate() {
                assert_eq!(one.key() == other.key(), n == m, "{one:?} {other:?}");
            }
            assert!(!one.label().contains("alice") && !one.label().contains("bob"), "{one:?}");
        }
        assert_eq!(token(1, "our OP"), token(2, "our OP"));
        assert_eq!(token(1, "our OP").label(), "API token our OP");
        assert_eq!(jwt(Some("alice"), Some("cli")).label(), "access token of client cli");
        assert_eq!(jwt(Some("alice"), None).label(), "access token of a user");
    }

    /// Keys are stored: they must not change between releases.
    #[test]
    fn keys_are_stable() {
        assert_eq!(u64::from_be_bytes(Reporter::of(&Caller::Bootstrap).key()), 0xca79_52b7_4bd1_340e);
        assert_eq!(u64::from_be_bytes(token(1, "our OP").key()), 0xf13e_a74c_7dfb_bbc3);
        assert_eq!(u64::from_be_bytes(jwt(Some("alice"), Some("cli")).key()), 0x3ed1_4297_b2ed_7e72);
    }
}
