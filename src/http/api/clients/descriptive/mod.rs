//! Descriptive members of a registration: they are stored and returned, and have no effect here.
//!
//! The type of each is in [`members`]: a member of another type would break typed SDKs that list clients.

mod kind;
mod members;

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};

use self::kind::Kind;
use self::members::{IGNORED, KEPT};
use crate::registry::InvalidMember;

/// The most bytes of JSON that all of them can have. A login page needs that much; more would slow down events, which read
/// their clients whole.
const MAX_BYTES: usize = 32 * 1024;

/// Auth0's limits.
const MAX_DESCRIPTION_CHARS: usize = 140;
const MAX_METADATA_ENTRIES: usize = 10;
const MAX_METADATA_CHARS: usize = 255;

/// Merges the given members into those that are stored; `null` removes one. Objects are merged one level deep, as
/// at Auth0, and not all the way down, as RFC 7396 would.
pub(super) fn apply(
    kept: &mut BTreeMap<String, Value>,
    given: &BTreeMap<String, Value>,
) -> Result<(), InvalidMember> {
    for (name, value) in given {
        if IGNORED.contains(&name.as_str()) {
            continue;
        }
        let kind = check(name, value)?;
        match value {
            Value::Null => drop(kept.remove(name)),
            // Auth0's default, which answers have in any case.
            Value::Bool(true) if name == "is_first_party" => drop(kept.remove(name)),
            // Auth0's way to remove all of it.
            Value::Object(given) if name == "client_metadata" && given.is_empty() => drop(kept.remove(name)),
            Value::Object(given) if kind.is_object() => {
                let mut members = match kept.remove(name) {
                    Some(Value::Object(members)) => members,
                    _ => serde_json::Map::new(),
                };
                members.extend(given.clone());
                members.retain(|_, value| !value.is_null());
                kept.insert(name.clone(), Value::Object(members));
            }
            _ => drop(kept.insert(name.clone(), value.clone())),
        }
    }
    check_size(kept, given)
}

/// Whether a stored member can be in an answer: an earlier version took some of any type.
pub(super) fn is_shown(name: &str, value: &Value) -> bool {
    check(name, value).is_ok()
}

/// The members with their schemas, for the document. Those of objects refer to [`schemas`].
pub(super) fn properties() -> impl Iterator<Item = (&'static str, RefOr<Schema>)> {
    KEPT.iter().map(|(name, kind)| match kind {
        Kind::Object(_) => (*name, Ref::from_schema_name(schema_name(name)).into()),
        _ => (*name, property(name, *kind)),
    })
}

/// The schemas that [`properties`] refers to, with their names.
pub(super) fn schemas() -> impl Iterator<Item = (String, RefOr<Schema>)> {
    // `jwt_configuration` has one of its own, since `alg` is acted on.
    let objects =
        KEPT.iter().filter(|(name, kind)| matches!(kind, Kind::Object(_)) && *name != "jwt_configuration");
    objects.map(|(name, kind)| (schema_name(name), kind.schema()))
}

/// `ClientRefreshToken` for `refresh_token`.
fn schema_name(member: &str) -> String {
    let words = member.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    words.fold("Client".to_owned(), |name, word| name + &word)
}

/// The members of a body that are ignored, with their schemas, for the document.
pub(super) fn ignored_properties() -> impl Iterator<Item = (&'static str, RefOr<Schema>)> {
    let ignored = || {
        ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .description(Some("Taken, so that an answer can be sent back, and ignored."))
    };
    IGNORED.iter().map(move |name| (*name, ignored().into()))
}

fn property(name: &str, kind: Kind) -> RefOr<Schema> {
    let nullable = |kind| ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]));
    match name {
        "description" => nullable(Type::String).max_length(Some(MAX_DESCRIPTION_CHARS)).into(),
        "client_metadata" => {
            let value = nullable(Type::String).max_length(Some(MAX_METADATA_CHARS)).build();
            let key =
                ObjectBuilder::new().schema_type(Type::String).max_length(Some(MAX_METADATA_CHARS)).build();
            nullable(Type::Object)
                .max_properties(Some(MAX_METADATA_ENTRIES))
                .property_names(Some(key))
                .additional_properties(Some(Schema::from(value)))
                .into()
        }
        _ => kind.schema(),
    }
}

/// Checks a member, and returns its type.
fn check(name: &str, value: &Value) -> Result<Kind, InvalidMember> {
    let Some((_, kind)) = KEPT.iter().find(|(known, _)| *known == name) else {
        return Err(InvalidMember::new(name, "is no member of a client that logoutd knows"));
    };
    match (name, value) {
        ("description", Value::String(text)) if text.chars().count() > MAX_DESCRIPTION_CHARS => {
            let problem = format!("must be a string of at most {MAX_DESCRIPTION_CHARS} characters");
            return Err(InvalidMember::new(name, problem));
        }
        ("client_metadata", Value::Object(entries)) => check_metadata(entries)?,
        _ => kind.check(name, value)?,
    }
    Ok(*kind)
}

fn check_metadata(entries: &serde_json::Map<String, Value>) -> Result<(), InvalidMember> {
    for (key, value) in entries {
        let chars = match value {
            Value::Null => 0,
            Value::String(text) => text.chars().count(),
            _ => {
                let problem = "must be an object of strings, or null to remove a key";
                return Err(InvalidMember::new("client_metadata", problem));
            }
        };
        if chars > MAX_METADATA_CHARS || key.chars().count() > MAX_METADATA_CHARS {
            let problem = format!("keys and values must have at most {MAX_METADATA_CHARS} characters");
            return Err(InvalidMember::new("client_metadata", problem));
        }
    }
    Ok(())
}

/// Checks the size of all members together.
fn check_size(kept: &BTreeMap<String, Value>, given: &BTreeMap<String, Value>) -> Result<(), InvalidMember> {
    let entries = kept.get("client_metadata").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    if entries > MAX_METADATA_ENTRIES && given.contains_key("client_metadata") {
        let problem = format!("must have at most {MAX_METADATA_ENTRIES} entries, and would have {entries}");
        return Err(InvalidMember::new("client_metadata", problem));
    }
    let bytes = serde_json::to_vec(kept).map_or(0, |text| text.len());
    if bytes > MAX_BYTES {
        let largest = given.iter().max_by_key(|(_, value)| value.to_string().len());
        let problem = format!(
            "all descriptive members together must have at most {MAX_BYTES} bytes, and would have {bytes}"
        );
        return Err(InvalidMember::new(largest.map_or("", |(name, _)| name), problem));
    }
    Ok(())
}
