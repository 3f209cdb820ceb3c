//! Environment variables that override keys, and how they are merged into the tree. The environment itself is an
//! argument.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use secrecy::SecretString;

use super::problem::Place;
use super::reader::Report;
use super::source::{Entry, Node, Table, Value};

const PREFIX: &str = "LOGOUTD_";

/// The variables of the configuration.
pub(super) struct Environment {
    overrides: Vec<Override>,
    /// `LOGOUTD_BOOTSTRAP_TOKEN`.
    pub(super) bootstrap_token: Option<SecretString>,
    /// `LOGOUTD_BOOTSTRAP_TOKEN_FILE`.
    pub(super) bootstrap_token_file: Option<PathBuf>,
}

struct Override {
    path: Vec<Segment>,
    variable: String,
    value: String,
}

/// One level of a path. The order puts `clients` before `clients[0]` before `clients[1]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Index(usize),
    Key(String),
}

impl Environment {
    /// Picks logoutd's variables out of the environment. The order of `pairs` does not matter.
    pub(super) fn read(pairs: impl IntoIterator<Item = (OsString, OsString)>, report: &mut Report) -> Self {
        let mut environment =
            Self { overrides: Vec::new(), bootstrap_token: None, bootstrap_token_file: None };
        for (name, value) in pairs {
            // All names of the configuration are Unicode.
            let Ok(name) = name.into_string() else { continue };
            if name.starts_with(PREFIX) {
                environment.take(name, value, report);
            }
        }
        // Outer keys come before inner ones, which override them; and `LOGOUTD_LOG` comes last of the two names of
        // `log.level`.
        environment.overrides.sort_by(|a, b| {
            (&a.path, a.variable == "LOGOUTD_LOG").cmp(&(&b.path, b.variable == "LOGOUTD_LOG"))
        });
        environment
    }

    fn take(&mut self, name: String, value: OsString, report: &mut Report) {
        if name == "LOGOUTD_BOOTSTRAP_TOKEN_FILE" {
            self.bootstrap_token_file = Some(PathBuf::from(value));
            return;
        }
        let Ok(value) = value.into_string() else {
            report.add_at(Place::Variable(name), "", "its value must be UTF-8");
            return;
        };
        match name.as_str() {
            // Variables of the commands.
            "LOGOUTD_URL" | "LOGOUTD_TOKEN" => return,
            "LOGOUTD_BOOTSTRAP_TOKEN" => {
                self.bootstrap_token = Some(SecretString::from(value));
                return;
            }
            "LOGOUTD_LOG" if value.is_empty() => return,
            "LOGOUTD_LOG" => {
                let path = vec![Segment::Key("log".to_owned()), Segment::Key("level".to_owned())];
                self.overrides.push(Override { path, variable: name, value });
                return;
            }
            _ => {}
        }
        let key = &name[PREFIX.len()..];
        // Every key is in a section, so a name of one level is not a key: Kubernetes and Docker set such variables
        // for a service that is called `logoutd`.
        if !key.contains("__") {
            return;
        }
        if key.contains(|c: char| c.is_ascii_lowercase()) {
            let message = format!("is written in upper case: {}", name.to_ascii_uppercase());
            report.add_at(Place::Variable(name), "", message);
            return;
        }
        self.overrides.push(Override { path: path_of(key), variable: name, value });
    }

    /// Puts the overrides into `table`.
    pub(super) fn merge_into(&mut self, table: Table, report: &mut Report) -> Table {
        let mut root = Node { place: Place::File, value: Value::Table(table) };
        for change in self.overrides.drain(..) {
            let variable = Place::Variable(change.variable);
            if let Err(message) = set(&mut root, &change.path, &variable, change.value) {
                report.add_at(variable, "", message);
            }
        }
        match root.value {
            Value::Table(table) => table,
            _ => unreachable!("a path begins with a key, and setting one in a table leaves it a table"),
        }
    }
}

fn path_of(key: &str) -> Vec<Segment> {
    key.split("__")
        .enumerate()
        .map(|(level, word)| match word.parse() {
            Ok(index) if level > 0 => Segment::Index(index),
            _ => Segment::Key(word.to_ascii_lowercase()),
        })
        .collect()
}

/// Sets the value at `path`. A value of another type on the way is replaced, so that the reader names the variable
/// when it reports the type.
fn set(node: &mut Node, path: &[Segment], variable: &Place, text: String) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else {
        *node = Node { place: variable.clone(), value: Value::Raw(text) };
        return Ok(());
    };
    if matches!(node.value, Value::Raw(_)) {
        *node = node.clone().typed();
    }
    match first {
        Segment::Key(key) => {
            let entry = table_of(node, variable).entry(key.clone()).or_insert_with(|| Entry {
                key_place: variable.clone(),
                node: Node { place: Place::File, value: Value::Table(BTreeMap::new()) },
            });
            set(&mut entry.node, rest, variable, text)
        }
        Segment::Index(index) => {
            let items = array_of(node, variable);
            if *index > items.len() {
                let next = items.len();
                return Err(format!(
                    "there is no entry {index}: they are counted from 0, and the next one is {next}"
                ));
            }
            if *index == items.len() {
                items.push(Node { place: variable.clone(), value: Value::Table(BTreeMap::new()) });
            }
            set(&mut items[*index], rest, variable, text)
        }
    }
}

fn table_of<'n>(node: &'n mut Node, variable: &Place) -> &'n mut Table {
    if !matches!(node.value, Value::Table(_)) {
        *node = Node { place: variable.clone(), value: Value::Table(BTreeMap::new()) };
    }
    match &mut node.value {
        Value::Table(table) => table,
        _ => unreachable!("it was just made a table"),
    }
}

fn array_of<'n>(node: &'n mut Node, variable: &Place) -> &'n mut Vec<Node> {
    if !matches!(node.value, Value::Array(_)) {
        *node = Node { place: variable.clone(), value: Value::Array(Vec::new()) };
    }
    match &mut node.value {
        Value::Array(items) => items,
        _ => unreachable!("it was just made a list"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_keys_and_indices() {
        let key = |word: &str| Segment::Key(word.to_owned());
        assert_eq!(path_of("SERVER__LISTEN"), [key("server"), key("listen")]);
        assert_eq!(path_of("CLIENTS__10__CLIENT_ID"), [key("clients"), Segment::Index(10), key("client_id")]);
        assert_eq!(path_of("0"), [key("0")]);
    }
}
