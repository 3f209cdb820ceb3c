//! Members of a registration that say something about a client to others: they are kept and given back, and
//! nothing here acts on them.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

use crate::registry::InvalidMember;

/// What is kept, of OpenID Connect Dynamic Client Registration 1.0 §2 and of Auth0's Management API.
const KEPT: [&str; 29] = [
    "allowed_logout_urls",
    "allowed_origins",
    "app_type",
    "application_type",
    "callbacks",
    "client_metadata",
    "client_uri",
    "contacts",
    "cross_origin_authentication",
    "description",
    "grant_types",
    "initiate_login_uri",
    "is_first_party",
    "jwks_uri",
    "jwt_configuration",
    "logo_uri",
    "oidc_conformant",
    "organization_require_behavior",
    "organization_usage",
    "policy_uri",
    "post_logout_redirect_uris",
    "redirect_uris",
    "response_types",
    "scope",
    "sso",
    "token_endpoint_auth_method",
    "tos_uri",
    "web_origins",
    "software_id",
];

/// The most of it, in bytes of JSON.
const MAX_BYTES: usize = 16 * 1024;

/// Auth0's limits.
const MAX_DESCRIPTION_CHARS: usize = 140;
const MAX_METADATA_ENTRIES: usize = 10;
const MAX_METADATA_CHARS: usize = 255;

/// Puts the given members in the place of those there are; `null` removes one. `client_metadata` is changed
/// key by key.
pub(super) fn apply(
    kept: &mut BTreeMap<String, Value>,
    given: &BTreeMap<String, Value>,
) -> Result<(), InvalidMember> {
    for (name, value) in given {
        check(name, value)?;
        match (name.as_str(), value) {
            (_, Value::Null) => drop(kept.remove(name)),
            ("client_metadata", Value::Object(given)) => {
                let entry = kept.entry(name.clone()).or_insert_with(|| Value::Object(serde_json::Map::new()));
                let Value::Object(entries) = entry else { continue };
                entries.extend(given.clone());
                entries.retain(|_, value| !value.is_null());
                if entries.len() > MAX_METADATA_ENTRIES {
                    let problem = format!(
                        "must have at most {MAX_METADATA_ENTRIES} entries, and would have {}",
                        entries.len()
                    );
                    return Err(InvalidMember::new(name, problem));
                }
            }
            _ => drop(kept.insert(name.clone(), value.clone())),
        }
    }
    let bytes = serde_json::to_vec(kept).map_or(0, |text| text.len());
    if bytes > MAX_BYTES {
        let problem = format!("all descriptive members together must have at most {MAX_BYTES} bytes");
        return Err(InvalidMember::new(given.keys().next().map_or("", String::as_str), problem));
    }
    Ok(())
}

/// The members with their schemas, for the document. `null` removes one.
pub(super) fn properties() -> impl Iterator<Item = (&'static str, RefOr<Schema>)> {
    KEPT.into_iter().map(|name| (name, property(name).build().into()))
}

fn property(name: &str) -> ObjectBuilder {
    let nullable = |kind| ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]));
    match name {
        "description" => nullable(Type::String).max_length(Some(MAX_DESCRIPTION_CHARS)),
        "app_type" => nullable(Type::String),
        "is_first_party" | "oidc_conformant" | "sso" | "cross_origin_authentication" => {
            nullable(Type::Boolean)
        }
        "client_metadata" => {
            let value = nullable(Type::String).max_length(Some(MAX_METADATA_CHARS)).build();
            nullable(Type::Object)
                .max_properties(Some(MAX_METADATA_ENTRIES))
                .property_names(Some(
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .max_length(Some(MAX_METADATA_CHARS))
                        .build(),
                ))
                .additional_properties(Some(Schema::from(value)))
        }
        _ => ObjectBuilder::new().schema_type(SchemaType::AnyValue),
    }
}

fn check(name: &str, value: &Value) -> Result<(), InvalidMember> {
    let wrong = |problem: &str| Err(InvalidMember::new(name, problem));
    match name {
        _ if !KEPT.contains(&name) => wrong("is no member of a client that logoutd knows"),
        _ if value.is_null() => Ok(()),
        "description" => match value.as_str() {
            Some(text) if text.chars().count() <= MAX_DESCRIPTION_CHARS => Ok(()),
            _ => wrong("must be a string of at most 140 characters"),
        },
        "app_type" if !value.is_string() => wrong("must be a string"),
        "is_first_party" | "oidc_conformant" | "sso" | "cross_origin_authentication"
            if !value.is_boolean() =>
        {
            wrong("must be true or false")
        }
        "client_metadata" => check_metadata(value),
        _ => Ok(()),
    }
}

fn check_metadata(value: &Value) -> Result<(), InvalidMember> {
    let wrong =
        || InvalidMember::new("client_metadata", "must be an object of strings, or null to remove a key");
    for (key, value) in value.as_object().ok_or_else(wrong)? {
        let chars = match value {
            Value::Null => 0,
            Value::String(text) => text.chars().count(),
            _ => return Err(wrong()),
        };
        if chars > MAX_METADATA_CHARS || key.chars().count() > MAX_METADATA_CHARS {
            let problem = format!("keys and values must have at most {MAX_METADATA_CHARS} characters");
            return Err(InvalidMember::new("client_metadata", problem));
        }
    }
    Ok(())
}
