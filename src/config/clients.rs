//! `[[clients]]`: the clients that are kept in the file and are read-only through the API.
//!
//! Whether a logout URI may be sent to, and whether there is a key of an algorithm, is not known here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as PlainError;

use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{
    Client, Contradiction, LogoutUri, LogoutUriError, SubjectLogout, SubjectType, TokenOptions, TokenSubject,
    TokenTyp,
};
use crate::domain::ids::{ClientId, IdError};
use crate::domain::initiator::{Initiator, Initiators, UnknownInitiator};
use crate::domain::metadata::MetadataChoice;
use crate::domain::sector::{SectorIdentifierUri, SectorIdentifierUriError};

use super::duration::within;
use super::keys::algorithm;
use super::pairwise::Salt;
use super::reader::Section;
use super::source::{Parsed, Value};

/// The clients under `[[clients]]`, in the order of the file.
pub(super) fn read(root: &mut Section<'_>, salt: &Salt) -> Vec<Client> {
    let clients = root.tables("clients", |section| client(section, salt));
    let mut seen = HashMap::new();
    for (i, client) in clients.iter().enumerate() {
        let Some(client) = client else { continue };
        if let Some(first) = seen.insert(&client.client_id, i) {
            let other = format!("clients[{first}].client_id");
            let message =
                format!("`{}` is already taken by {other} at {}", client.client_id, root.whereabouts(&other));
            root.problem(&format!("clients[{i}].client_id"), message);
        }
    }
    clients.into_iter().flatten().collect()
}

fn client(section: &mut Section<'_>, salt: &Salt) -> Option<Client> {
    let client_id = section.required("client_id", client_id);
    let client_name = section.optional("client_name", |value| value.text().map(Cow::into_owned));
    let backchannel_logout_uri = section.optional("backchannel_logout_uri", logout_uri);
    let backchannel_logout_session_required =
        section.optional("backchannel_logout_session_required", Value::boolean).unwrap_or(false);
    let id_token_signed_response_alg =
        section.optional("id_token_signed_response_alg", algorithm).unwrap_or(SigningAlg::Rs256);
    let initiators = section
        .single_or_distinct("initiators", every_initiator, initiator, selected_initiators)
        .unwrap_or_default();
    let session_metadata = section
        .single_or_distinct(
            "session_metadata",
            metadata_switch,
            |value| value.text().map(Cow::into_owned),
            metadata_keys,
        )
        .unwrap_or_default();
    let token = section.table("token", token);
    let subject_logout = section.optional("subject_logout", subject_logout).unwrap_or_default();
    let (subject_type, sector_identifier_uri) = subjects(section, salt);
    let enabled = section.optional("enabled", Value::boolean).unwrap_or(true);
    let client = Client {
        client_name,
        backchannel_logout_uri,
        backchannel_logout_session_required,
        id_token_signed_response_alg,
        initiators,
        session_metadata,
        token,
        subject_logout,
        subject_type,
        sector_identifier_uri,
        enabled,
        ..Client::new(client_id?)
    };
    for Contradiction { field, fix } in client.contradictions() {
        section.problem(field, fix);
    }
    Some(client)
}

fn token(section: &mut Section<'_>) -> TokenOptions {
    let default = TokenOptions::default();
    TokenOptions {
        ttl: section.optional("ttl", ttl).unwrap_or(default.ttl),
        typ: section.optional("typ", typ).unwrap_or(default.typ),
        subject: section.optional("subject", subject).unwrap_or(default.subject),
    }
}

/// What the client knows users by.
fn subjects(section: &mut Section<'_>, salt: &Salt) -> (SubjectType, Option<SectorIdentifierUri>) {
    let subject_type = section.optional("subject_type", subject_type).unwrap_or_default();
    if subject_type == SubjectType::Pairwise && matches!(salt, Salt::Missing) {
        section.problem(
            "subject_type",
            "\"pairwise\" needs the OP's salt: set issuer.pairwise.salt_file (or issuer.pairwise.salt)",
        );
    }
    (subject_type, section.optional("sector_identifier_uri", sector_identifier_uri))
}

fn client_id(value: &Value) -> Parsed<ClientId> {
    value.text()?.parse().map_err(|error: IdError| error.to_string())
}

fn logout_uri(value: &Value) -> Parsed<LogoutUri> {
    value.text()?.parse().map_err(|error: LogoutUriError| error.to_string())
}

fn every_initiator(value: &Value) -> Parsed<Initiators> {
    match value {
        Value::String(word) if word == "all" => Ok(Initiators::All),
        Value::String(_) => {
            Err("must be \"all\" or a list such as [\"rp-logout\", \"idp-logout\"]".to_owned())
        }
        other => Err(other.unlike("\"all\" or a list of initiators")),
    }
}

fn initiator(value: &Value) -> Parsed<Initiator> {
    value.text()?.parse().map_err(|error: UnknownInitiator| error.to_string())
}

fn selected_initiators(selected: Vec<Initiator>) -> Parsed<Initiators> {
    if selected.is_empty() {
        return Err("must name at least one initiator; to unsubscribe the client, leave out \
                    backchannel_logout_uri"
            .to_owned());
    }
    Ok(Initiators::Selected(selected.into_iter().collect()))
}

fn metadata_switch(value: &Value) -> Parsed<MetadataChoice> {
    match value {
        Value::Boolean(true) => Ok(MetadataChoice::All),
        Value::Boolean(false) => Ok(MetadataChoice::None),
        other => Err(other.unlike("true, false or a list of metadata keys")),
    }
}

fn metadata_keys(keys: Vec<String>) -> Parsed<MetadataChoice> {
    // Through its serde form, which is where the domain checks the keys.
    let deserializer = IntoDeserializer::<PlainError>::into_deserializer(keys);
    MetadataChoice::deserialize(deserializer).map_err(|error| error.to_string())
}

fn ttl(value: &Value) -> Parsed<Duration> {
    let ttl = within(Duration::from_secs(1), TokenOptions::MAX_TTL)(value)?;
    // `iat` and `exp` are whole seconds (RFC 7519 allows fractions, few receivers do).
    if ttl.subsec_nanos() != 0 {
        return Err("must be a whole number of seconds".to_owned());
    }
    Ok(ttl)
}

fn typ(value: &Value) -> Parsed<TokenTyp> {
    named(value, "\"logout+jwt\", \"JWT\" or \"none\"")
}

fn subject(value: &Value) -> Parsed<TokenSubject> {
    named(value, "\"sid+sub\", \"sid\" or \"sub\"")
}

fn subject_logout(value: &Value) -> Parsed<SubjectLogout> {
    named(value, "\"sid\" or \"sub\"")
}

fn subject_type(value: &Value) -> Parsed<SubjectType> {
    named(value, "\"public\" or \"pairwise\"")
}

fn sector_identifier_uri(value: &Value) -> Parsed<SectorIdentifierUri> {
    value.text()?.parse().map_err(|error: SectorIdentifierUriError| error.to_string())
}

/// One of the domain's names, which `names` lists for people.
fn named<'de, T: Deserialize<'de>>(value: &Value, names: &str) -> Parsed<T> {
    let text = value.text()?.into_owned();
    let deserializer = IntoDeserializer::<PlainError>::into_deserializer(text);
    T::deserialize(deserializer).map_err(|_| format!("must be {names}"))
}
