//! A client's settings as a document. Each setting is defined once: a field of its struct, and a row of the
//! `settings!` list beside it that says how the setting is written.
//!
//! What the configuration file, the API, Auth0's words for it and the commands take is read by these definitions. Each
//! of them translates its own form into a JSON document, merges it into the client, and renders the [`Fault`]s in its
//! own words and with its own names.

use serde_json::{Map, Value};

/// How one kind of setting is written.
pub trait Form {
    /// What it is read as.
    type Setting: Clone;

    /// What can be written.
    const SHAPE: Shape;
    /// Whether a setting can have no value.
    const IS_OPTIONAL: bool = false;

    /// Reads a value, which is not `null`.
    fn read(value: &Value) -> Result<Self::Setting, Vec<Fault>>;

    /// Sets the setting to a value, which is not `null`. A group keeps what the value leaves out.
    fn merge(setting: &mut Self::Setting, value: &Value) -> Vec<Fault> {
        match Self::read(value) {
            Ok(read) => *setting = read,
            Err(faults) => return faults,
        }
        Vec::new()
    }

    /// Writes the setting; without a value it is `null`.
    fn write(setting: &Self::Setting) -> Value;
}

/// Settings that are read and written together, by name.
pub trait Document {
    /// The settings, in the order in which they are documented.
    const SETTINGS: &'static [Definition];

    /// Merges a document into the settings as RFC 7396 says: what it leaves out stays, `null` sets the default, of a
    /// group only what is given changes. What is faulty is left as it was, and all faults are returned.
    ///
    /// Only what is given is read. What is stored already may be older than today's rules.
    fn merge(&mut self, document: &Map<String, Value>) -> Vec<Fault>;

    /// Writes all settings; those without a value are `null`.
    fn document(&self) -> Map<String, Value>;
}

/// A setting, without its value.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its name in documents.
    pub name: &'static str,
    /// What can be written.
    pub shape: Shape,
    /// Whether it can have no value.
    pub is_optional: bool,
}

/// What can be written for a setting, for readers that are not typed and for schemas.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// `true` or `false`.
    Flag,
    /// A string of 1 to this many characters that matches a regular expression.
    Text {
        /// The most characters.
        max_chars: usize,
        /// The regular expression, anchored.
        pattern: &'static str,
    },
    /// A duration: a string with a unit.
    Duration,
    /// One of some names.
    Choice {
        /// The name of its schema.
        schema: &'static str,
        /// What it is for.
        description: &'static str,
        /// The names; the first is the default.
        names: fn() -> Vec<&'static str>,
    },
    /// A string of a type that has a schema of its own, of this name.
    Named(&'static str),
    /// Other JSON that has a schema of its own, of this name.
    Other(&'static str),
    /// An object of settings.
    Group {
        /// The name from which those of its schemas are formed.
        name: &'static str,
        /// What it is for.
        description: &'static str,
        /// The settings.
        settings: &'static [Definition],
    },
}

impl Shape {
    /// Whether it is a string.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Text { .. } | Self::Duration | Self::Choice { .. } | Self::Named(_))
    }
}

/// A type whose values have names in documents.
pub trait Choice: Copy + 'static {
    /// The name of its schema.
    const SCHEMA: &'static str;
    /// What it is for, as its schema says it.
    const DESCRIPTION: &'static str;
    /// Every value; the first is the default.
    const ALL: &'static [Self];

    /// The value's name.
    fn as_str(self) -> &'static str;

    /// Every name.
    fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|it| it.as_str()).collect()
    }
}

/// Something in a document that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, such as `token.ttl` or `initiators[1]`; empty for the document itself.
    pub path: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is no setting of this name.
    Unknown {
        /// Those that there are.
        known: Vec<&'static str>,
    },
    /// The value is of another type.
    Type {
        /// What it must be, with its article.
        expected: &'static str,
        /// What it is.
        found: JsonType,
    },
    /// The value is outside of limits.
    OutOfRange {
        /// What it must be, with its limits.
        expected: &'static str,
        /// Which limit it breaks, as a sentence without a subject.
        detail: String,
    },
    /// The value does not keep a rule: a sentence without a subject.
    Invalid(String),
}

/// The type of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonType {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without a fraction.
    WholeNumber,
    /// A number with a fraction.
    DecimalNumber,
    /// A string.
    String,
    /// A list.
    Array,
    /// An object.
    Object,
}

impl JsonType {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_f64() => Self::DecimalNumber,
            Value::Number(_) => Self::WholeNumber,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }
}

impl Fault {
    /// A problem with a whole value.
    pub(super) fn new(problem: Problem) -> Self {
        Self { path: String::new(), problem }
    }

    /// A value that does not keep a rule.
    pub(super) fn invalid(rule: impl Into<String>) -> Self {
        Self::new(Problem::Invalid(rule.into()))
    }

    /// A value of another type.
    pub(super) fn of_type(expected: &'static str, value: &Value) -> Self {
        Self::new(Problem::Type { expected, found: JsonType::of(value) })
    }

    /// A name that no setting has.
    pub(super) fn unknown(settings: &[Definition]) -> Self {
        Self::new(Problem::Unknown { known: settings.iter().map(|it| it.name).collect() })
    }

    /// The fault as one of the value that has the faulty one as its member `name`.
    pub(super) fn of_member(mut self, name: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{separator}{}", self.path);
        self
    }

    /// The fault as one of the list that has the faulty value at `index`.
    pub(super) fn of_item(self, index: usize) -> Self {
        self.of_member(&format!("[{index}]"))
    }
}

/// Merges one member of a document into its setting.
pub(super) fn merge_member<F: Form>(
    setting: &mut F::Setting,
    value: &Value,
    default: &F::Setting,
) -> Vec<Fault> {
    if value.is_null() {
        setting.clone_from(default);
        return Vec::new();
    }
    F::merge(setting, value)
}

/// Implements [`Document`] for a struct: a row for each setting, with its field and its [`Form`]. `defaults` makes
/// what `null` sets; `besides` are the fields that are no settings.
macro_rules! settings {
    (
        $group:ty, defaults: |$current:ident| $defaults:expr, besides: [$($other:ident),*],
        { $($name:ident: $form:ty,)+ }
    ) => {
        impl $crate::domain::client::document::Document for $group {
            const SETTINGS: &'static [$crate::domain::client::document::Definition] =
                &[$($crate::domain::client::document::Definition {
                    name: stringify!($name),
                    shape: <$form as $crate::domain::client::document::Form>::SHAPE,
                    is_optional: <$form as $crate::domain::client::document::Form>::IS_OPTIONAL,
                }),+];

            fn merge(
                &mut self,
                document: &serde_json::Map<String, serde_json::Value>,
            ) -> Vec<$crate::domain::client::document::Fault> {
                use $crate::domain::client::document::{Fault, merge_member};
                let $current = &*self;
                let defaults: Self = $defaults;
                let mut all = Vec::new();
                for (name, value) in document {
                    let faults = match name.as_str() {
                        $(stringify!($name) => {
                            merge_member::<$form>(&mut self.$name, value, &defaults.$name)
                        })+
                        _ => vec![Fault::unknown(Self::SETTINGS)],
                    };
                    all.extend(faults.into_iter().map(|fault| fault.of_member(name)));
                }
                all
            }

            fn document(&self) -> serde_json::Map<String, serde_json::Value> {
                // Every field is named, so that a setting without a row does not compile.
                let Self { $($name,)+ $($other: _),* } = self;
                let members = [$((
                    stringify!($name),
                    <$form as $crate::domain::client::document::Form>::write($name),
                )),+];
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }
        }
    };
}

pub(super) use settings;
