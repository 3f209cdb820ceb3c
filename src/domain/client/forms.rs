//! The forms in which a client's settings are written.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

use super::document::{Choice, Document, Fault, Form, Problem, Shape};
use super::{LogoutUri, TokenOptions};
use crate::domain::algorithm::SigningAlg;
use crate::domain::duration::{self, DurationError, Human};
use crate::domain::initiator::{Initiator, Initiators};
use crate::domain::metadata::MetadataChoice;
use crate::domain::sector::SectorIdentifierUri;

/// `true` or `false`.
pub(super) struct Flag;

impl Form for Flag {
    type Setting = bool;
    const SHAPE: Shape = Shape::Flag;

    fn read(value: &Value) -> Result<bool, Vec<Fault>> {
        value.as_bool().ok_or_else(|| vec![Fault::of_type("true or false", value)])
    }

    fn write(setting: &bool) -> Value {
        (*setting).into()
    }
}

/// A setting that can have no value.
pub(super) struct Maybe<F>(PhantomData<F>);

impl<F: Form> Form for Maybe<F> {
    type Setting = Option<F::Setting>;
    const SHAPE: Shape = F::SHAPE;
    const IS_OPTIONAL: bool = true;

    fn read(value: &Value) -> Result<Self::Setting, Vec<Fault>> {
        F::read(value).map(Some)
    }

    fn write(setting: &Self::Setting) -> Value {
        setting.as_ref().map_or(Value::Null, F::write)
    }
}

/// A type that is written as a string, with rules of its own.
pub(super) trait TextType: FromStr<Err: Display> + Clone {
    /// The name of its schema.
    const SCHEMA: &'static str;

    /// As it is written.
    fn text(&self) -> &str;
}

impl TextType for LogoutUri {
    const SCHEMA: &'static str = "LogoutUri";

    fn text(&self) -> &str {
        self.as_str()
    }
}

impl TextType for SectorIdentifierUri {
    const SCHEMA: &'static str = "SectorIdentifierUri";

    fn text(&self) -> &str {
        self.as_str()
    }
}

impl TextType for SigningAlg {
    const SCHEMA: &'static str = "SigningAlg";

    fn text(&self) -> &str {
        self.as_str()
    }
}

/// A [`TextType`].
pub(super) struct Text<T>(PhantomData<T>);

impl<T: TextType> Form for Text<T> {
    type Setting = T;
    const SHAPE: Shape = Shape::Named(T::SCHEMA);

    fn read(value: &Value) -> Result<T, Vec<Fault>> {
        text(value)?.parse().map_err(|error: T::Err| vec![Fault::invalid(error.to_string())])
    }

    fn write(setting: &T) -> Value {
        setting.text().into()
    }
}

/// One of the names of a [`Choice`].
pub(super) struct OneOf<T>(PhantomData<T>);

impl<T: Choice> Form for OneOf<T> {
    type Setting = T;
    const SHAPE: Shape = Shape::Choice { schema: T::SCHEMA, description: T::DESCRIPTION, names: T::names };

    fn read(value: &Value) -> Result<T, Vec<Fault>> {
        let name = text(value)?;
        let found = T::ALL.iter().copied().find(|it| it.as_str() == name);
        found.ok_or_else(|| vec![Fault::invalid(format!("must be {}", alternatives::<T>()))])
    }

    fn write(setting: &T) -> Value {
        setting.as_str().into()
    }
}

/// `"a", "b" or "c"`.
fn alternatives<T: Choice>() -> String {
    let names: Vec<String> = T::names().iter().map(|name| format!("\"{name}\"")).collect();
    let (last, others) = names.split_last().expect("a choice is between values");
    format!("{} or {last}", others.join(", "))
}

/// A name for people. `<` and `>` are not taken, as at Auth0.
pub(super) struct DisplayName;

impl DisplayName {
    /// The most characters.
    const MAX_CHARS: usize = 255;
}

impl Form for DisplayName {
    type Setting = String;
    const SHAPE: Shape = Shape::Text { max_chars: Self::MAX_CHARS, pattern: "^[^<>]+$" };

    fn read(value: &Value) -> Result<String, Vec<Fault>> {
        let name = text(value)?;
        let is_forbidden = |c: char| matches!(c, '<' | '>') || c.is_control();
        if name.is_empty() || name.chars().count() > Self::MAX_CHARS || name.chars().any(is_forbidden) {
            return Err(vec![Fault::invalid(format!(
                "must have 1 to {} characters, none of them <, > or a control character",
                Self::MAX_CHARS
            ))]);
        }
        Ok(name.to_owned())
    }

    fn write(setting: &String) -> Value {
        setting.as_str().into()
    }
}

/// `"all"`, or a list of initiators.
pub(super) struct InitiatorList;

impl Form for InitiatorList {
    type Setting = Initiators;
    const SHAPE: Shape = Shape::Other("Initiators");

    fn read(value: &Value) -> Result<Initiators, Vec<Fault>> {
        match value {
            Value::String(word) if word == "all" => Ok(Initiators::All),
            Value::String(_) => {
                Err(vec![Fault::invalid("must be \"all\" or a list such as [\"rp-logout\", \"idp-logout\"]")])
            }
            Value::Array(names) if names.is_empty() => Err(vec![Fault::invalid(
                "must name at least one initiator; to unsubscribe the client, leave out backchannel_logout_uri",
            )]),
            Value::Array(names) => items(names, |name| {
                text(name)?.parse::<Initiator>().map_err(|error| vec![Fault::invalid(error.to_string())])
            })
            .map(Initiators::Selected),
            other => Err(vec![Fault::of_type("\"all\" or a list of initiators", other)]),
        }
    }

    fn write(setting: &Initiators) -> Value {
        match setting {
            Initiators::All => "all".into(),
            Initiators::Selected(selected) => selected.iter().map(|it| it.as_str()).collect(),
        }
    }
}

/// `true` for all session metadata, `false` for none, or a list of keys.
pub(super) struct MetadataKeys;

impl Form for MetadataKeys {
    type Setting = MetadataChoice;
    const SHAPE: Shape = Shape::Other("MetadataChoice");

    fn read(value: &Value) -> Result<MetadataChoice, Vec<Fault>> {
        match value {
            Value::Bool(true) => Ok(MetadataChoice::All),
            Value::Bool(false) => Ok(MetadataChoice::None),
            Value::Array(keys) => {
                let keys = items(keys, |key| text(key).map(str::to_owned))?;
                MetadataChoice::of_keys(keys).map_err(|error| vec![Fault::invalid(error.to_string())])
            }
            other => Err(vec![Fault::of_type("true, false or a list of metadata keys", other)]),
        }
    }

    fn write(setting: &MetadataChoice) -> Value {
        match setting {
            MetadataChoice::None => false.into(),
            MetadataChoice::All => true.into(),
            MetadataChoice::Keys(keys) => keys.iter().map(String::as_str).collect(),
        }
    }
}

/// How long a token is valid: a duration with a unit. `iat` and `exp` are whole seconds: RFC 7519 allows fractions,
/// few receivers do.
pub(super) struct TokenTtl;

impl Form for TokenTtl {
    type Setting = Duration;
    const SHAPE: Shape = Shape::Duration;

    fn read(value: &Value) -> Result<Duration, Vec<Fault>> {
        let (min, max) = (Duration::from_secs(1), TokenOptions::MAX_TTL);
        let out_of_range = |detail: String| {
            let expected = "a duration of whole seconds from 1s to 10m, such as \"2m\"";
            vec![Fault::new(Problem::OutOfRange { expected, detail })]
        };
        if value.is_number() {
            return Err(out_of_range(DurationError::NoUnit.to_string()));
        }
        let ttl = duration::parse(text(value)?).map_err(|error| out_of_range(error.to_string()))?;
        if !(min..=max).contains(&ttl) {
            let (min, max, ttl) = (Human(min), Human(max), Human(ttl));
            return Err(out_of_range(format!("must be from {min} to {max}, and is {ttl}")));
        }
        if ttl.subsec_nanos() != 0 {
            return Err(out_of_range("must be a whole number of seconds".to_owned()));
        }
        Ok(ttl)
    }

    fn write(setting: &Duration) -> Value {
        Human(*setting).to_string().into()
    }
}

/// An object of settings that are defined by themselves.
pub(super) struct Group<T>(PhantomData<T>);

/// A struct that is a [`Group`].
pub(super) trait GroupType: Document + Default + Clone {
    /// The name from which those of its schemas are formed.
    const NAME: &'static str;
    /// What it is for.
    const DESCRIPTION: &'static str;
}

impl<T: GroupType> Form for Group<T> {
    type Setting = T;
    const SHAPE: Shape = Shape::Group { name: T::NAME, description: T::DESCRIPTION, settings: T::SETTINGS };

    fn read(value: &Value) -> Result<T, Vec<Fault>> {
        let mut group = T::default();
        let faults = Self::merge(&mut group, value);
        if faults.is_empty() { Ok(group) } else { Err(faults) }
    }

    fn merge(setting: &mut T, value: &Value) -> Vec<Fault> {
        match value {
            Value::Object(members) => setting.merge(members),
            other => vec![Fault::of_type("an object", other)],
        }
    }

    fn write(setting: &T) -> Value {
        let members: Map<String, Value> = setting.document();
        members.into()
    }
}

fn text(value: &Value) -> Result<&str, Vec<Fault>> {
    value.as_str().ok_or_else(|| vec![Fault::of_type("a string", value)])
}

/// Reads each item of a list, and returns the faults of all of them.
fn items<T: Ord>(
    values: &[Value],
    read: impl Fn(&Value) -> Result<T, Vec<Fault>>,
) -> Result<BTreeSet<T>, Vec<Fault>> {
    let mut items = BTreeSet::new();
    let mut all = Vec::new();
    for (index, value) in values.iter().enumerate() {
        match read(value) {
            Ok(item) => drop(items.insert(item)),
            Err(faults) => all.extend(faults.into_iter().map(|fault| fault.of_item(index))),
        }
    }
    if all.is_empty() { Ok(items) } else { Err(all) }
}
