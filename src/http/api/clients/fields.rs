//! The parameters `fields` and `include_fields`: which members of a client are shown.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use super::schema;
use super::view::ClientView;
use crate::domain::client::ClientRecord;
use crate::http::error::ApiError;
use crate::http::extract::Query;

/// Which members are shown.
pub(super) struct Fields(Option<(BTreeSet<String>, bool)>);

impl Fields {
    pub(super) fn of(query: &mut Query) -> Result<Self, ApiError> {
        static NAMES: LazyLock<Vec<String>> = LazyLock::new(schema::member_names);
        let (fields, include) = query.fields(NAMES.iter().map(String::as_str))?;
        Ok(Self(fields.map(|fields| (fields, include))))
    }

    /// A client, with the members that are asked for.
    pub(super) fn of_client(&self, record: ClientRecord) -> Value {
        let view = serde_json::to_value(ClientView::from(record)).expect("a view has string keys");
        let (Some((names, include)), Value::Object(mut members)) = (&self.0, view.clone()) else {
            return view;
        };
        members.retain(|name, _| names.contains(name) == *include);
        Value::Object(members)
    }
}
