//! Types of descriptive members, so that Auth0's typed SDKs can read what is stored.

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};

use crate::registry::InvalidMember;

/// The largest absolute value: SDKs have whole numbers of 32 bits.
const MAX_NUMBER: i32 = i32::MAX;

/// The type of a member, which can be `null` too. Items of lists cannot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Any JSON.
    Any,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A string.
    Text,
    /// A list of strings.
    Texts,
    /// An object whose members are strings.
    TextMap,
    /// An object with these members. Auth0's objects are open: other members can be of any type.
    Object(&'static [Member]),
    /// A list of such objects.
    Objects(&'static [Member]),
}

/// A member's name and its type.
pub(super) type Member = (&'static str, Kind);

impl Kind {
    /// Checks a value that is called `path`.
    pub(super) fn check(self, path: &str, value: &Value) -> Result<(), InvalidMember> {
        let must_be = |what: &str| Err(InvalidMember::new(path, format!("must be {what}, or null")));
        if value.is_null() {
            return Ok(());
        }
        match self {
            Self::Any => Ok(()),
            Self::Flag if !value.is_boolean() => must_be("true or false"),
            Self::Number if !is_number(value) => {
                must_be(&format!("a whole number from -{MAX_NUMBER} to {MAX_NUMBER}"))
            }
            Self::Text if !value.is_string() => must_be("a string"),
            Self::Flag | Self::Number | Self::Text => Ok(()),
            Self::Texts => match value.as_array() {
                Some(items) => {
                    each(path, items, |path, item| element(path, item, item.is_string(), "a string"))
                }
                None => must_be("a list of strings"),
            },
            Self::TextMap => match value.as_object() {
                Some(members) => members
                    .iter()
                    .try_for_each(|(name, value)| Self::Text.check(&format!("{path}.{name}"), value)),
                None => must_be("an object of strings"),
            },
            Self::Object(members) if value.is_object() => check_members(path, members, value),
            Self::Object(_) => must_be("an object"),
            Self::Objects(members) => match value.as_array() {
                Some(items) => each(path, items, |path, item| {
                    element(path, item, item.is_object(), "an object")?;
                    check_members(path, members, item)
                }),
                None => must_be("a list of objects"),
            },
        }
    }

    /// Whether it is an object, which a change is merged into.
    pub(super) const fn is_object(self) -> bool {
        matches!(self, Self::TextMap | Self::Object(_))
    }

    /// Its schema, for the document.
    pub(super) fn schema(self) -> RefOr<Schema> {
        let nullable = |kind| ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]));
        let list = |items: RefOr<Schema>| {
            let kinds = SchemaType::from_iter([Type::Array, Type::Null]);
            ArrayBuilder::new().schema_type(kinds).items(items).into()
        };
        let text = || ObjectBuilder::new().schema_type(Type::String).build().into();
        match self {
            Self::Any => ObjectBuilder::new().schema_type(SchemaType::AnyValue).into(),
            Self::Flag => nullable(Type::Boolean).into(),
            Self::Number => {
                nullable(Type::Integer).minimum(Some(-MAX_NUMBER)).maximum(Some(MAX_NUMBER)).into()
            }
            Self::Text => nullable(Type::String).into(),
            Self::Texts => list(text()),
            Self::TextMap => nullable(Type::Object)
                .additional_properties(Some(AdditionalProperties::RefOr(Self::Text.schema())))
                .into(),
            Self::Object(members) => properties(nullable(Type::Object), members).into(),
            Self::Objects(members) => {
                list(properties(ObjectBuilder::new().schema_type(Type::Object), members).into())
            }
        }
    }
}

fn properties(object: ObjectBuilder, members: &'static [Member]) -> ObjectBuilder {
    members.iter().fold(object, |object, (name, kind)| object.property(*name, kind.schema()))
}

fn is_number(value: &Value) -> bool {
    value.as_i64().is_some_and(|number| i32::try_from(number).is_ok_and(|number| number != i32::MIN))
}

fn check_members(path: &str, members: &[Member], value: &Value) -> Result<(), InvalidMember> {
    members.iter().try_for_each(|(name, kind)| match value.get(name) {
        Some(value) => kind.check(&format!("{path}.{name}"), value),
        None => Ok(()),
    })
}

fn each(
    path: &str,
    items: &[Value],
    check: impl Fn(&str, &Value) -> Result<(), InvalidMember>,
) -> Result<(), InvalidMember> {
    items.iter().enumerate().try_for_each(|(index, item)| check(&format!("{path}[{index}]"), item))
}

fn element(path: &str, item: &Value, right: bool, what: &str) -> Result<(), InvalidMember> {
    if right {
        return Ok(());
    }
    let found = if item.is_null() { ", not null" } else { "" };
    Err(InvalidMember::new(path, format!("must be {what}{found}")))
}
