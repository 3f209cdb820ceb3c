//! Schemas of the settings, from their definitions.

use serde_json::json;
use utoipa::openapi::schema::{
    AdditionalProperties, Object, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};

use crate::domain::client::Client;
use crate::domain::client::document::{Definition, Document as _, Shape};
use crate::http::schema::{described, text};

/// Where a schema is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// In an answer.
    Answer,
    /// In a body. Everything can be left out, or `null`.
    Body,
}

/// Adds the settings to an object's schema.
pub(super) fn add_to(object: &mut Object, usage: Use) {
    add(object, Client::SETTINGS, usage);
}

/// The schemas of their own that settings have, with their names.
pub(super) fn schemas(usage: Use) -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = Vec::new();
    add_schemas(&mut schemas, Client::SETTINGS, usage);
    schemas
}

fn add_schemas(schemas: &mut Vec<(String, RefOr<Schema>)>, settings: &[Definition], usage: Use) {
    for definition in settings {
        match definition.shape {
            Shape::Choice { schema, description, names } => {
                let names = names();
                let choice = text().examples(names.first().map(|name| json!(name))).enum_values(Some(names));
                schemas.push((schema.to_owned(), described(choice, description)));
            }
            Shape::Group { name, description, settings } => {
                schemas.push((group_name(name, usage), group(description, settings, usage)));
                add_schemas(schemas, settings, usage);
            }
            _ => {}
        }
    }
}

fn group(description: &str, settings: &[Definition], usage: Use) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new().schema_type(Type::Object).build();
    add(&mut object, settings, usage);
    match usage {
        Use::Answer => described(object, description),
        Use::Body => {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            described(object, "What is left out stays as it is.")
        }
    }
}

fn add(object: &mut Object, settings: &[Definition], usage: Use) {
    for Definition { name, shape, is_optional } in settings {
        object.properties.insert((*name).to_owned(), schema(*shape, usage));
        if usage == Use::Answer && !is_optional {
            object.required.push((*name).to_owned());
        }
    }
}

fn schema(shape: Shape, usage: Use) -> RefOr<Schema> {
    match shape {
        Shape::Flag => typed(Type::Boolean, usage).into(),
        Shape::Text { max_chars, pattern } => {
            let text = typed(Type::String, usage);
            match usage {
                // What is stored may be older than the limits.
                Use::Answer => text.into(),
                Use::Body => {
                    text.min_length(Some(1)).max_length(Some(max_chars)).pattern(Some(pattern)).into()
                }
            }
        }
        Shape::Duration => typed(Type::String, usage)
            .description(Some("A duration with a unit, such as `2m`."))
            .examples([json!("2m")])
            .into(),
        Shape::Choice { schema: name, .. } | Shape::Named(name) | Shape::Other(name) => {
            reference(name, usage)
        }
        Shape::Group { name, .. } => reference(&group_name(name, usage), usage),
    }
}

fn typed(kind: Type, usage: Use) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(match usage {
        Use::Answer => SchemaType::Type(kind),
        Use::Body => SchemaType::from_iter([kind, Type::Null]),
    })
}

fn reference(name: &str, usage: Use) -> RefOr<Schema> {
    let reference = Ref::from_schema_name(name);
    match usage {
        Use::Answer => reference.into(),
        Use::Body => {
            let null = ObjectBuilder::new().schema_type(Type::Null);
            OneOfBuilder::new().item(reference).item(null).into()
        }
    }
}

fn group_name(name: &str, usage: Use) -> String {
    match usage {
        Use::Answer => format!("{name}Options"),
        Use::Body => format!("{name}Change"),
    }
}
