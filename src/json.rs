//! JSON in which no object has a key twice.
//!
//! RFC 8259 §4 leaves open which of two members with the same name counts, and parsers differ, so that one program can check
//! one value and the next act on the other. A body whose `sid` or `clients` is given twice is therefore an error.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::{self, Write as _};

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// The message about a member that is given twice.
pub const REPEATED: &str = "this member is given twice";

/// A struct that is deserialized from an object only. Serde also accepts an array of its members.
#[derive(Clone, Copy, Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// For `deserialize_with`: an object, or `null`.
pub fn optional_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let object: Option<Object<T>> = Deserialize::deserialize(deserializer)?;
    Ok(object.map(|it| it.0))
}

/// Why a text is refused.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It is not JSON, or nested more than 128 levels deep.
    #[error("not valid JSON: {0}")]
    Syntax(serde_json::Error),
    /// A member is given twice.
    #[error("{path}: {REPEATED}")]
    Repeated {
        /// Its path, such as `data.clients[2].sub`.
        path: String,
    },
}

/// Checks that a text is one JSON document, and that none of its objects has two members with the same name, however it is
/// escaped.
///
/// Time and memory are linear in the length of the text: only the names of the objects around the current position are
/// kept.
pub fn check(text: &[u8]) -> Result<(), Fault> {
    let mut walk = Walk::default();
    let mut json = serde_json::Deserializer::from_slice(text);
    let walked = Each(&mut walk).deserialize(&mut json).and_then(|()| json.end());
    match walked {
        Ok(()) => Ok(()),
        Err(_) if walk.repeated => Err(Fault::Repeated { path: walk.path() }),
        Err(error) => Err(Fault::Syntax(error)),
    }
}

/// The message of a deserializer that parsed a part of a text, without the line and column, which are relative to the part.
pub fn complaint(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).map(str::to_owned).unwrap_or(text)
}

/// The current position in a document.
#[derive(Default)]
struct Walk<'de> {
    steps: Vec<Step<'de>>,
    repeated: bool,
}

enum Step<'de> {
    Member(Cow<'de, str>),
    Item(usize),
}

impl Walk<'_> {
    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            // Writing to a String cannot fail.
            let _ = match step {
                Step::Item(index) => write!(path, "[{index}]"),
                Step::Member(name) if path.is_empty() => write!(path, "{name}"),
                Step::Member(name) => write!(path, ".{name}"),
            };
        }
        path
    }
}

/// Visits a value.
struct Each<'w, 'de>(&'w mut Walk<'de>);

impl<'de> DeserializeSeed<'de> for Each<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Each<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0.. {
            self.0.steps.push(Step::Item(index));
            if items.next_element_seed(Each(&mut *self.0))?.is_none() {
                break;
            }
            self.0.steps.pop();
        }
        self.0.steps.pop();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = members.next_key_seed(Name)? {
            self.0.steps.push(Step::Member(name.clone()));
            if !seen.insert(name) {
                self.0.repeated = true;
                return Err(A::Error::custom("a member is given twice"));
            }
            members.next_value_seed(Each(&mut *self.0))?;
            self.0.steps.pop();
        }
        Ok(())
    }
}

/// The name of a member: borrowed from the text, where it is not escaped there.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_twice_is_named_with_its_path() {
        for (text, expected) in [
            (r#"{"a": 1, "a": 1}"#, "a"),
            (r#"{"a": 1, "\u0061": 2}"#, "a"),
            (r#"{"a": {"b": [1, {"c": null, "d": [], "c": {}}]}}"#, "a.b[1].c"),
            (r#"[{"a": {}}, [], {"a": [], "b": [[], [{"x": 1.5, "x": "y"}]]}]"#, "[2].b[1][0].x"),
            (r#"{"": true, "": false}"#, ""),
        ] {
            let said = check(text.as_bytes()).unwrap_err().to_string();
            assert_eq!(said, format!("{expected}: this member is given twice"), "{text}");
        }
    }

    #[test]
    fn the_same_name_in_several_objects_is_no_repetition() {
        for text in
            [r#"{"a": {"a": {"a": 1}}, "b": [{"a": 1}, {"a": 1}], "A": 0}"#, "[]", "7", r#""x""#, " null "]
        {
            assert!(check(text.as_bytes()).is_ok(), "{text}");
        }
        for text in ["", "{", "[1,]", "{} {}", r#""\ud800""#, "1e999", r#"{"a": 1, 2: 3}"#] {
            assert!(matches!(check(text.as_bytes()), Err(Fault::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(check(nested(100).as_bytes()).is_ok());
        let deep = check(nested(100_000).as_bytes()).unwrap_err().to_string();
        assert!(deep.starts_with("not valid JSON: recursion limit exceeded"), "{deep}");
        let deep = check(r#"{"a":"#.repeat(100_000).as_bytes()).unwrap_err().to_string();
        assert!(deep.starts_with("not valid JSON: recursion limit exceeded"), "{deep}");
    }

    #[test]
    fn complaints_of_a_part_have_no_place() {
        let error = serde_json::from_str::<Vec<u8>>("[1,\n true]").unwrap_err();
        assert!(error.to_string().ends_with("at line 2 column 5"), "{error}");
        assert_eq!(complaint(&error), "invalid type: boolean `true`, expected u8");
    }
}
