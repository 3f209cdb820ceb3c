//! A registered client's settings (`clients.document`).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{
    Client, LogoutUri, SpelledOut, SubjectLogout, SubjectType, TokenOptions, TokenSubject, TokenTyp,
};
use crate::domain::ids::ClientId;
use crate::domain::initiator::Initiators;
use crate::domain::metadata::MetadataChoice;
use crate::domain::sector::SectorIdentifierUri;

/// A client's settings. A new setting needs `#[serde(default)]`: rows from before it have none.
#[derive(Serialize, Deserialize)]
pub(in crate::storage) struct ClientDocument {
    client_id: ClientId,
    client_name: Option<String>,
    #[serde(default, deserialize_with = "logout_uri")]
    backchannel_logout_uri: Option<LogoutUri>,
    backchannel_logout_session_required: bool,
    id_token_signed_response_alg: SigningAlg,
    initiators: Initiators,
    session_metadata: MetadataChoice,
    token: TokenRecord,
    subject_logout: SubjectLogout,
    subject_type: SubjectType,
    #[serde(default, deserialize_with = "sector_identifier_uri")]
    sector_identifier_uri: Option<SectorIdentifierUri>,
    enabled: bool,
    #[serde(default, skip_serializing_if = "SpelledOutRecord::is_default")]
    spelled_out: SpelledOutRecord,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    descriptive: BTreeMap<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct TokenRecord {
    ttl: Duration,
    typ: TokenTyp,
    subject: TokenSubject,
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
struct SpelledOutRecord {
    #[serde(default)]
    initiators: bool,
    #[serde(default)]
    no_session_metadata: bool,
}

impl SpelledOutRecord {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// URIs that were registered under looser rules are still the client's.
fn logout_uri<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<LogoutUri>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(LogoutUri::from_stored).transpose().map_err(D::Error::custom)
}

/// Likewise.
fn sector_identifier_uri<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SectorIdentifierUri>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(SectorIdentifierUri::from_stored).transpose().map_err(D::Error::custom)
}

impl From<Client> for ClientDocument {
    fn from(client: Client) -> Self {
        let Client {
            client_id,
            client_name,
            backchannel_logout_uri,
            backchannel_logout_session_required,
            id_token_signed_response_alg,
            initiators,
            session_metadata,
            token: TokenOptions { ttl, typ, subject },
            subject_logout,
            subject_type,
            sector_identifier_uri,
            enabled,
            spelled_out: SpelledOut { initiators: spelled_out_initiators, no_session_metadata },
            descriptive,
        } = client;
        Self {
            client_id,
            client_name,
            backchannel_logout_uri,
            backchannel_logout_session_required,
            id_token_signed_response_alg,
            initiators,
            session_metadata,
            token: TokenRecord { ttl, typ, subject },
            subject_logout,
            subject_type,
            sector_identifier_uri,
            enabled,
            spelled_out: SpelledOutRecord { initiators: spelled_out_initiators, no_session_metadata },
            descriptive,
        }
    }
}

impl From<ClientDocument> for Client {
    fn from(document: ClientDocument) -> Self {
        let ClientDocument {
            client_id,
            client_name,
            backchannel_logout_uri,
            backchannel_logout_session_required,
            id_token_signed_response_alg,
            initiators,
            session_metadata,
            token: TokenRecord { ttl, typ, subject },
            subject_logout,
            subject_type,
            sector_identifier_uri,
            enabled,
            spelled_out: SpelledOutRecord { initiators: spelled_out_initiators, no_session_metadata },
            descriptive,
        } = document;
        Self {
            client_id,
            client_name,
            backchannel_logout_uri,
            backchannel_logout_session_required,
            id_token_signed_response_alg,
            initiators,
            session_metadata,
            token: TokenOptions { ttl, typ, subject },
            subject_logout,
            subject_type,
            sector_identifier_uri,
            enabled,
            spelled_out: SpelledOut { initiators: spelled_out_initiators, no_session_metadata },
            descriptive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::initiator::Initiator;
    use crate::storage::records::golden::round_trip;

    #[test]
    fn the_stored_form_is_pinned() {
        let full = Client {
            client_name: Some("The \"shop\"".to_owned()),
            backchannel_logout_uri: Some("https://shop.example.com/logout?a=b".parse().unwrap()),
            backchannel_logout_session_required: true,
            id_token_signed_response_alg: SigningAlg::Es256,
            initiators: Initiators::Selected([Initiator::RpLogout, Initiator::SessionRevoked].into()),
            session_metadata: MetadataChoice::Keys(["tier".to_owned()].into()),
            token: TokenOptions {
                ttl: Duration::from_millis(90_500),
                typ: TokenTyp::Jwt,
                subject: TokenSubject::Sid,
            },
            subject_logout: SubjectLogout::Sub,
            subject_type: SubjectType::Pairwise,
            sector_identifier_uri: Some("https://sector.example.com/".parse().unwrap()),
            enabled: false,
            spelled_out: SpelledOut { initiators: true, no_session_metadata: false },
            descriptive: BTreeMap::from([("app_type".to_owned(), "spa".into())]),
            ..Client::new("shop".parse().unwrap())
        };
        let open = Client {
            initiators: Initiators::All,
            session_metadata: MetadataChoice::All,
            ..Client::new("open".parse().unwrap())
        };
        let defaults = Client::new("blog".parse().unwrap());
        for (name, client) in
            [("client", full), ("client_with_defaults", defaults), ("client_with_all", open)]
        {
            let read = round_trip(name, &ClientDocument::from(client.clone()));
            assert_eq!(Client::from(read), client);
        }
    }

    #[test]
    fn what_was_not_spelled_out_is_not_stored() {
        let stored = |client: &Client| serde_json::to_value(ClientDocument::from(client.clone())).unwrap();
        let mut client = Client::new("shop".parse().unwrap());
        assert_eq!(stored(&client).get("spelled_out"), None);
        client.spelled_out = SpelledOut { initiators: true, no_session_metadata: false };
        let expected = serde_json::json!({"initiators": true, "no_session_metadata": false});
        assert_eq!(stored(&client)["spelled_out"], expected);
    }

    /// A row of the first release: without members that were added later, and with a URI that is refused today.
    #[test]
    fn a_row_of_an_earlier_release_is_read() {
        let stored = r#"{"client_id":"shop","client_name":null,
            "backchannel_logout_uri":"https://{tenant}.example.com","backchannel_logout_session_required":false,
            "id_token_signed_response_alg":"RS256","initiators":["rp-logout"],"session_metadata":false,
            "token":{"ttl":{"secs":120,"nanos":0},"typ":"logout+jwt","subject":"sid+sub"},"subject_logout":"sid",
            "subject_type":"public","enabled":true}"#;
        let client: Client = serde_json::from_str::<ClientDocument>(stored).unwrap().into();
        let expected = Client {
            backchannel_logout_uri: client.backchannel_logout_uri.clone(),
            initiators: Initiators::Selected([Initiator::RpLogout].into()),
            ..Client::new("shop".parse().unwrap())
        };
        assert_eq!(client, expected);
        let uri = client.backchannel_logout_uri.unwrap();
        assert_eq!(uri.as_str(), "https://{tenant}.example.com");
    }
}
