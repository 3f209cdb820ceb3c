//! Reads typed values out of the tree and collects all problems, which serde cannot: it stops at the first error,
//! and does not know which environment variable a value came from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::problem::{ConfigErrors, Place, Problem};
use super::source::{Entry, Node, Parsed, Table, Value};
use crate::domain::client::document::{Definition, Shape};

/// The problems so far, and where each key was found.
#[derive(Clone, Debug)]
pub(super) struct Report {
    file: PathBuf,
    places: BTreeMap<String, Place>,
    problems: Vec<Problem>,
}

impl Report {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, places: BTreeMap::new(), problems: Vec::new() }
    }

    /// A problem with `key`, at the key's place or, if it is not there, at that of the table it belongs in.
    pub(super) fn locate(&self, key: &str, message: impl Into<String>) -> Problem {
        self.problem_at(self.place(key), key, message)
    }

    /// Where `key`, or the nearest table above it, was written.
    pub(super) fn place(&self, key: &str) -> Place {
        let mut path = key;
        loop {
            if let Some(place) = self.places.get(path) {
                return place.clone();
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return Place::File,
            }
        }
    }

    pub(super) fn problem_at(&self, place: Place, key: &str, message: impl Into<String>) -> Problem {
        Problem { file: self.file.clone(), place, key: key.to_owned(), message: message.into() }
    }

    pub(super) fn add(&mut self, key: &str, message: impl Into<String>) {
        let problem = self.locate(key, message);
        self.problems.push(problem);
    }

    pub(super) fn add_at(&mut self, place: Place, key: &str, message: impl Into<String>) {
        let problem = self.problem_at(place, key, message);
        self.problems.push(problem);
    }

    /// `Ok` if nothing was wrong. The problems are gone afterwards.
    pub(super) fn check(&mut self) -> Result<(), ConfigErrors> {
        ConfigErrors::check(std::mem::take(&mut self.problems))
    }
}

/// A table that is being read. Keys that were not read are reported as unknown at the end.
pub(super) struct Section<'r> {
    report: &'r mut Report,
    path: String,
    table: Table,
    known: Vec<&'static str>,
}

/// Reads the whole document with `read`.
pub(super) fn read_document<T>(
    report: &mut Report,
    table: Table,
    read: impl FnOnce(&mut Section<'_>) -> T,
) -> T {
    read_table(report, String::new(), table, read)
}

fn read_table<T>(
    report: &mut Report,
    path: String,
    table: Table,
    read: impl FnOnce(&mut Section<'_>) -> T,
) -> T {
    let mut section = Section { report, path, table, known: Vec::new() };
    let value = read(&mut section);
    section.report_unknown_keys();
    value
}

impl Section<'_> {
    /// The value of `key`, if it is there and valid. An invalid one is reported, and the caller goes on with the
    /// default to find other problems.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<T> {
        let node = self.take_value(key)?;
        self.parsed(&self.path_of(key), parse(&node.value))
    }

    /// As [`Section::optional`], but a missing key is reported.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<T> {
        if self.require(key) { self.optional(key, parse) } else { None }
    }

    /// Whether `key` is there. A missing one is reported.
    pub(super) fn require(&mut self, key: &'static str) -> bool {
        let is_there = self.table.contains_key(key);
        if !is_there {
            self.known.push(key);
            self.problem(key, "is required");
        }
        is_there
    }

    /// A list.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        item: impl Fn(&Value) -> Parsed<T>,
    ) -> Option<Vec<T>> {
        let node = self.take_value(key)?.typed();
        let path = self.path_of(key);
        let Value::Array(items) = &node.value else {
            self.report.add(&path, node.value.type_error("a list in square brackets"));
            return None;
        };
        self.items(&path, items, item)
    }

    /// A list without duplicates.
    pub(super) fn distinct<T: PartialEq>(
        &mut self,
        key: &'static str,
        item: impl Fn(&Value) -> Parsed<T>,
    ) -> Option<Vec<T>> {
        let items = self.list(key, item)?;
        self.without_duplicates(&self.path_of(key), items)
    }

    /// A single value, or a list without duplicates, which `whole` turns into that value.
    pub(super) fn single_or_distinct<T: PartialEq, U>(
        &mut self,
        key: &'static str,
        single: impl FnOnce(&Value) -> Parsed<U>,
        item: impl Fn(&Value) -> Parsed<T>,
        whole: impl FnOnce(Vec<T>) -> Parsed<U>,
    ) -> Option<U> {
        let node = self.take_value(key)?.typed();
        let path = self.path_of(key);
        let Value::Array(items) = &node.value else {
            return self.parsed(&path, single(&node.value));
        };
        let items = self.items(&path, items, item)?;
        let items = self.without_duplicates(&path, items)?;
        self.parsed(&path, whole(items))
    }

    /// A table; one that is missing is read as an empty one.
    pub(super) fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let path = self.path_of(key);
        let table = match self.take(key).map(|entry| entry.node.typed()) {
            None => Table::new(),
            Some(Node { value: Value::Table(table), .. }) => table,
            Some(other) => {
                self.report.add(&path, other.value.type_error("a table"));
                // Its keys are unknown, so none is reported as missing.
                let mut ignored = Report::new(PathBuf::new());
                return read_table(&mut ignored, path, Table::new(), read);
            }
        };
        read_table(self.report, path, table, read)
    }

    /// A table whose presence matters: `None` if it is missing.
    pub(super) fn optional_table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            self.known.push(key);
            return None;
        }
        Some(self.table(key, read))
    }

    /// A list of tables: `[[key]]`. An item that is not a table is `None`.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_>) -> Option<T>,
    ) -> Vec<Option<T>> {
        let Some(node) = self.take_value(key).map(Node::typed) else { return Vec::new() };
        let path = self.path_of(key);
        let Value::Array(items) = node.value else {
            self.report.add(&path, node.value.type_error(&format!("a list of tables, each under [[{key}]]")));
            return Vec::new();
        };
        let mut read_all = Vec::with_capacity(items.len());
        for (i, item) in items.into_iter().enumerate() {
            let path = format!("{path}[{i}]");
            self.report.places.insert(path.clone(), item.place);
            read_all.push(if let Value::Table(table) = item.value {
                read_table(self.report, path, table, &mut read)
            } else {
                self.report.add(&path, item.value.type_error("a table"));
                None
            });
        }
        read_all
    }

    /// Those of these settings that are there, as a JSON document. What is wrong with their values is for the
    /// definitions to find.
    pub(super) fn document(&mut self, settings: &'static [Definition]) -> serde_json::Map<String, Json> {
        let mut document = serde_json::Map::new();
        for Definition { name, shape, .. } in settings {
            let value = match shape {
                Shape::Group { settings, .. } => {
                    self.optional_table(name, |group| Json::Object(group.document(settings)))
                }
                shape => self.take_value(name).and_then(|node| {
                    // A variable's text is a string for a setting that is one, and TOML for others.
                    let node = if shape.is_text() { node } else { node.typed() };
                    self.json(&self.path_of(name), &node.value)
                }),
            };
            document.extend(value.map(|value| ((*name).to_owned(), value)));
        }
        document
    }

    /// A value as JSON, with the places of a list's items. Of numbers that no setting takes, only the type is right.
    fn json(&mut self, path: &str, value: &Value) -> Option<Json> {
        match value {
            Value::String(_) | Value::Raw(_) => {
                let text = value.text();
                self.parsed(path, text).map(|text| text.into_owned().into())
            }
            Value::Integer(number) => Some(number.unwrap_or(i64::MAX).into()),
            Value::Float => Some(f64::EPSILON.into()),
            Value::Boolean(value) => Some((*value).into()),
            Value::Datetime => {
                self.report.add(path, "must not be a date");
                None
            }
            Value::Array(items) => {
                let mut all = Vec::with_capacity(items.len());
                for (i, node) in items.iter().enumerate() {
                    let path = format!("{path}[{i}]");
                    self.report.places.insert(path.clone(), node.place.clone());
                    all.extend(self.json(&path, &node.value));
                }
                (all.len() == items.len())
                    .then(|| self.without_duplicates(path, all))
                    .flatten()
                    .map(Json::Array)
            }
            Value::Table(_) => Some(Json::Object(serde_json::Map::new())),
        }
    }

    /// Whether `key` is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Reports a problem with `key`.
    pub(super) fn problem(&mut self, key: &str, message: impl Into<String>) {
        let path = self.path_of(key);
        self.report.add(&path, message);
    }

    /// Where the value at `path`, counted from the root, was written.
    pub(super) fn location(&self, path: &str) -> String {
        self.report.locate(path, "").location()
    }

    fn take(&mut self, key: &'static str) -> Option<Entry> {
        self.known.push(key);
        let entry = self.table.remove(key)?;
        self.report.places.insert(self.path_of(key), entry.node.place.clone());
        Some(entry)
    }

    /// The value of a key that is not a table. If there is one because a variable's path goes through the key, it
    /// has no place of its own, and that of the variable is used.
    fn take_value(&mut self, key: &'static str) -> Option<Node> {
        let Entry { key_place, node } = self.take(key)?;
        if node.place == Place::File {
            self.report.places.insert(self.path_of(key), key_place);
        }
        Some(node)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn parsed<T>(&mut self, path: &str, parsed: Parsed<T>) -> Option<T> {
        parsed.map_err(|message| self.report.add(path, message)).ok()
    }

    fn items<T>(&mut self, path: &str, items: &[Node], item: impl Fn(&Value) -> Parsed<T>) -> Option<Vec<T>> {
        let mut all = Some(Vec::with_capacity(items.len()));
        for (i, node) in items.iter().enumerate() {
            let path = format!("{path}[{i}]");
            self.report.places.insert(path.clone(), node.place.clone());
            match (self.parsed(&path, item(&node.value)), &mut all) {
                (Some(value), Some(all)) => all.push(value),
                _ => all = None,
            }
        }
        all
    }

    fn without_duplicates<T: PartialEq>(&mut self, path: &str, items: Vec<T>) -> Option<Vec<T>> {
        let mut distinct = true;
        for (i, item) in items.iter().enumerate() {
            if let Some(first) = items[..i].iter().position(|other| other == item) {
                self.report.add(&format!("{path}[{i}]"), format!("is the same as {path}[{first}]"));
                distinct = false;
            }
        }
        distinct.then_some(items)
    }

    fn report_unknown_keys(self) {
        let known = self.known.join(", ");
        let of = if self.path.is_empty() { "sections" } else { "keys" };
        for (key, entry) in &self.table {
            let path = self.path_of(key);
            let message = format!("unknown key; the {of} here are {known}");
            self.report.add_at(entry.key_place.clone(), &path, message);
        }
    }
}
