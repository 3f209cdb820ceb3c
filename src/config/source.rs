//! The configuration's text as a tree of values with their places. Positions in the file are those of the `toml` crate.

use std::borrow::Cow;
use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::problem::Place;

/// A value and the place it comes from.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A key's value, and the place of the key itself.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key_place: Place,
    pub(super) node: Node,
}

pub(super) type Table = BTreeMap<String, Entry>;

/// A value of the tree.
#[derive(Clone, Debug)]
pub(super) enum Value {
    String(String),
    /// `None` if it does not fit into 64 bits.
    Integer(Option<i64>),
    Float,
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(Table),
    /// The text of an environment variable. The key decides which of the other types it has.
    Raw(String),
}

/// A parsed value, or the message of the problem.
pub(super) type Parsed<T> = Result<T, String>;

impl Value {
    /// Its type, for messages.
    fn kind(&self) -> &'static str {
        match self {
            Self::String(_) | Self::Raw(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Float => "a decimal number",
            Self::Boolean(_) => "true or false",
            Self::Datetime => "a date",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// The message for a value of the wrong type.
    pub(super) fn type_error(&self, expected: &str) -> String {
        format!("must be {expected}, not {}", self.kind())
    }

    /// The value as a string. A variable needs no quotes.
    pub(super) fn text(&self) -> Parsed<Cow<'_, str>> {
        match self {
            Self::String(text) => Ok(Cow::Borrowed(text)),
            Self::Raw(raw) => match parse_raw(raw) {
                Some(Self::String(quoted)) => Ok(Cow::Owned(quoted)),
                _ => Ok(Cow::Borrowed(raw)),
            },
            other => Err(other.type_error("a string")),
        }
    }

    /// The value as `true` or `false`.
    pub(super) fn boolean(&self) -> Parsed<bool> {
        match self.typed().as_ref() {
            Self::Boolean(value) => Ok(*value),
            other => Err(other.type_error("true or false")),
        }
    }

    /// The value as a whole number from `min` to `max`.
    pub(super) fn integer(&self, min: u32, max: u32) -> Parsed<u32> {
        let typed = self.typed();
        let Self::Integer(number) = typed.as_ref() else {
            return Err(typed.type_error("a whole number"));
        };
        number
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| format!("must be a whole number from {min} to {max}"))
    }

    /// The value with a variable's text read as TOML where that works, and as a string where it does not.
    pub(super) fn typed(&self) -> Cow<'_, Self> {
        match self {
            Self::Raw(raw) => Cow::Owned(parse_raw(raw).unwrap_or_else(|| Self::String(raw.clone()))),
            other => Cow::Borrowed(other),
        }
    }
}

impl Node {
    /// [`Value::typed`], and what is inside the value comes from the same variable.
    pub(super) fn typed(self) -> Self {
        let mut node = match self.value {
            Value::Raw(_) => Self { value: self.value.typed().into_owned(), ..self },
            _ => return self,
        };
        node.value.relocate(&node.place);
        node
    }
}

impl Value {
    fn relocate(&mut self, place: &Place) {
        let inner: Vec<&mut Node> = match self {
            Self::Array(nodes) => nodes.iter_mut().collect(),
            Self::Table(table) => table
                .values_mut()
                .map(|entry| {
                    entry.key_place = place.clone();
                    &mut entry.node
                })
                .collect(),
            _ => return,
        };
        for node in inner {
            node.place = place.clone();
            node.value.relocate(place);
        }
    }
}

fn parse_raw(raw: &str) -> Option<Value> {
    let parsed = DeValue::parse(raw.trim()).ok()?;
    Some(Positions::new("").value(parsed.into_inner()))
}

/// A syntax error of the file.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) place: Place,
    pub(super) message: String,
}

/// Parses a TOML document.
pub(super) fn parse(text: &str) -> Result<Table, SyntaxError> {
    let positions = Positions::new(text);
    let document = DeTable::parse(text).map_err(|error| SyntaxError {
        place: error.span().map_or(Place::File, |span| positions.at(span.start)),
        message: format!("this is not TOML: {}", error.message()),
    })?;
    Ok(positions.table(document.into_inner()))
}

/// Turns byte offsets into lines and columns.
struct Positions<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Positions<'a> {
    fn new(text: &'a str) -> Self {
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(offset, _)| offset + 1)).collect();
        Self { text, line_starts }
    }

    fn at(&self, offset: usize) -> Place {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        Place::At { line, column }
    }

    fn table(&self, table: DeTable<'_>) -> Table {
        table
            .into_iter()
            .map(|(key, value)| {
                let key_place = self.at(key.span().start);
                let place = self.at(value.span().start);
                let node = Node { place, value: self.value(value.into_inner()) };
                (key.into_inner().into_owned(), Entry { key_place, node })
            })
            .collect()
    }

    fn value(&self, value: DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Integer(number) => {
                Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Float(_) => Value::Float,
            DeValue::Boolean(value) => Value::Boolean(value),
            DeValue::Datetime(_) => Value::Datetime,
            DeValue::Array(items) => Value::Array(
                items
                    .into_iter()
                    .map(|item| Node {
                        place: self.at(item.span().start),
                        value: self.value(item.into_inner()),
                    })
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize) -> Place {
        Place::At { line, column }
    }

    #[test]
    fn every_value_knows_its_place() {
        let table = parse("# ü\n[a]\n'ü' = [1,\n  \"x\"]\n\n[[b]]\nc = 1\n[[b]]\nd.e = true\n").unwrap();
        assert_eq!(table["a"].node.place, at(2, 1));
        let Value::Table(a) = &table["a"].node.value else { panic!() };
        assert_eq!(a["ü"].key_place, at(3, 1));
        let Value::Array(items) = &a["ü"].node.value else { panic!() };
        assert_eq!((&items[0].place, &items[1].place), (&at(3, 8), &at(4, 3)));
        let Value::Array(b) = &table["b"].node.value else { panic!() };
        assert_eq!((&b[0].place, &b[1].place), (&at(6, 1), &at(8, 1)));
    }

    #[test]
    fn a_column_counts_characters() {
        let error = parse("a = \"ü\" x\n").unwrap_err();
        assert_eq!(error.place, at(1, 9));
    }

    #[test]
    fn a_variable_is_what_the_key_expects() {
        for (raw, expected) in
            [("8080", "8080"), ("true", "true"), ("\"30d\"", "30d"), (" x ", " x "), ("", "")]
        {
            assert_eq!(Value::Raw(raw.to_owned()).text().unwrap(), expected);
        }
        assert!(Value::Raw("true".to_owned()).boolean().unwrap());
        assert_eq!(Value::Raw("1_000".to_owned()).integer(1, 1000), Ok(1000));
        assert!(Value::Raw("yes".to_owned()).boolean().is_err());
    }

    #[test]
    fn a_number_that_does_not_fit_names_the_limits() {
        for number in ["0", "11", "-1", "99999999999999999999"] {
            let error = Value::Raw(number.to_owned()).integer(1, 10).unwrap_err();
            assert_eq!(error, "must be a whole number from 1 to 10", "{number}");
        }
    }
}
