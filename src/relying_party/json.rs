//! A JSON parser that reports repeated members instead of silently overwriting them.
//!
//! Two parsers that disagree on which of two `sub` members counts would see different tokens. So RFC 7515 §4 and RFC 7519 §4
//! require unique names.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A JSON document and the member names that occur more than once in one of its objects.
#[derive(Clone, PartialEq)]
pub(super) struct Parsed {
    /// The document; of two members with one name the last is kept.
    pub(super) value: Value,
    /// The names that were repeated, at any depth, in the order in which they occur.
    pub(super) repeated: Vec<String>,
}

/// Reads exactly one JSON document.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, serde_json::Error> {
    let mut repeated = Vec::new();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = RepeatDetector(&mut repeated).deserialize(&mut json)?;
    json.end()?;
    Ok(Parsed { value, repeated })
}

/// Builds a [`Value`] and records repeated names.
struct RepeatDetector<'a>(&'a mut Vec<String>);

impl<'de> DeserializeSeed<'de> for RepeatDetector<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RepeatDetector<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(RepeatDetector(&mut *self.0))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(RepeatDetector(&mut *self.0))?;
            if object.insert(name.clone(), value).is_some() {
                self.0.push(name);
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn repeated_names_are_found_at_any_depth() {
        for (text, expected) in [
            (r#"{"a": 1, "b": 2}"#, &[][..]),
            (r#"{"a": 1, "a": 2}"#, &["a"]),
            (r#"{"a": {"x": 1, "x": 1}, "b": [{"y": 0, "y": 0}]}"#, &["x", "y"]),
            (r#"{"a": {"x": 1}, "b": {"x": 1}}"#, &[]),
            // The same name, written with an escape.
            (r#"{"a": 1, "\u0061": 2}"#, &["a"]),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap().repeated, expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_one_document_is_refused() {
        for text in ["", "{", "{} {}", "{}x", "{\"a\": 1e999}", "\u{feff}{}"] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(parse(&[b'"', 0xff, b'"']).is_err());
        assert!(parse("[".repeat(10_000).as_bytes()).is_err());
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let text =
            r#"{"n": null, "t": true, "i": -3, "u": 18446744073709551615, "f": 0.5, "s": "x", "l": [1]}"#;
        let expected = json!({"n": null, "t": true, "i": -3, "u": u64::MAX, "f": 0.5, "s": "x", "l": [1]});
        assert_eq!(parse(text.as_bytes()).unwrap().value, expected);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let ours = parse(&bytes).ok().map(|parsed| parsed.value);
            prop_assert_eq!(ours, serde_json::from_slice::<Value>(&bytes).ok());
        }
    }
}
