//! The parameters `fields` and `include_fields`: which members of the entries are shown.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::view::LogView;
use crate::http::error::ApiError;
use crate::http::extract::Query;

/// The members of entries, here or at Auth0.
pub(super) const NAMES: [&str; 16] = [
    "_id",
    "client_id",
    "client_name",
    "connection",
    "date",
    "description",
    "details",
    "ip",
    "log_id",
    "strategy",
    "strategy_type",
    "type",
    "user_agent",
    "user_id",
    "user_name",
    "hostname",
];

/// The checkpoint of an entry: shown always, since Auth0's clients rely on it without naming it.
const ALWAYS: [&str; 2] = ["_id", "log_id"];

/// Which members are shown.
pub(super) struct Fields {
    names: Option<BTreeSet<String>>,
    include: bool,
}

impl Fields {
    /// Reads both parameters.
    pub(super) fn of(query: &mut Query) -> Result<Self, ApiError> {
        let (names, include) = query.fields(NAMES)?;
        Ok(Self { names, include })
    }

    /// The parameters as they were given.
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let names =
            self.names.as_ref().map(|names| names.iter().map(String::as_str).collect::<Vec<_>>().join(","));
        let names = names.map(|names| ("fields", names));
        let include = (!self.include).then(|| ("include_fields", "false".to_owned()));
        names.into_iter().chain(include).collect()
    }

    /// An entry, with the members that are asked for.
    pub(super) fn of_entry(&self, view: LogView) -> Map<String, Value> {
        let Ok(Value::Object(mut members)) = serde_json::to_value(view) else {
            unreachable!("an entry is an object with string keys")
        };
        if let Some(names) = &self.names {
            let shown = |name: &String| {
                names.contains(name) == self.include || (self.include && ALWAYS.contains(&name.as_str()))
            };
            members.retain(|name, _| shown(name));
        }
        members
    }
}
