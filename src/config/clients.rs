//! `[[clients]]`: the clients that are kept in the file and are read-only through the API.
//!
//! Whether a logout URI is allowed and whether an algorithm has a key are checked where those are known.

use std::collections::HashMap;

use super::pairwise::Salt;
use super::reader::Section;
use super::source::{Parsed, Value};
use crate::domain::client::document::{Document as _, Fault, JsonType, Problem};
use crate::domain::client::{Client, Contradiction, SubjectType};
use crate::domain::ids::{ClientId, IdError};

/// The clients under `[[clients]]`, in the order of the file.
pub(super) fn read(root: &mut Section<'_>, salt: &Salt) -> Vec<Client> {
    let clients = root.tables("clients", |section| client(section, salt));
    let mut seen = HashMap::new();
    for (i, client) in clients.iter().enumerate() {
        let Some(client) = client else { continue };
        if let Some(first) = seen.insert(&client.client_id, i) {
            let other = format!("clients[{first}].client_id");
            let message =
                format!("`{}` is already taken by {other} at {}", client.client_id, root.location(&other));
            root.problem(&format!("clients[{i}].client_id"), message);
        }
    }
    clients.into_iter().flatten().collect()
}

/// Reads a client. Without a `client_id` there is none, but its settings are checked.
fn client(section: &mut Section<'_>, salt: &Salt) -> Option<Client> {
    let client_id = section.required("client_id", client_id);
    let document = section.document(Client::SETTINGS);
    let mut client = Client::new(client_id.clone().unwrap_or_else(unnamed));
    for Fault { path, problem } in client.merge(&document) {
        section.problem(&path, message(&problem));
    }
    if client.subject_type == SubjectType::Pairwise && matches!(salt, Salt::Missing) {
        section.problem(
            "subject_type",
            "\"pairwise\" needs the OP's salt: set issuer.pairwise.salt_file (or issuer.pairwise.salt)",
        );
    }
    for Contradiction { field, fix } in client.contradictions() {
        section.problem(field, fix);
    }
    client_id.is_some().then_some(client)
}

fn client_id(value: &Value) -> Parsed<ClientId> {
    value.text()?.parse().map_err(|error: IdError| error.to_string())
}

fn unnamed() -> ClientId {
    "unnamed".parse().expect("it is a client_id")
}

fn message(problem: &Problem) -> String {
    match problem {
        Problem::Unknown { known } => format!("unknown key; the keys here are {}", known.join(", ")),
        Problem::Type { expected, found } => format!("must be {expected}, not {}", type_name(*found)),
        Problem::OutOfRange { detail, .. } => detail.clone(),
        Problem::Invalid(rule) => rule.clone(),
    }
}

fn type_name(found: JsonType) -> &'static str {
    match found {
        JsonType::Null => "nothing",
        JsonType::Boolean => "true or false",
        JsonType::WholeNumber => "a whole number",
        JsonType::DecimalNumber => "a decimal number",
        JsonType::String => "a string",
        JsonType::Array => "a list",
        JsonType::Object => "a table",
    }
}
