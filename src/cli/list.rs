//! Prints paged lists of the API to their last page.

use std::io::{ErrorKind, Write};

use anyhow::bail;
use serde_json::{Value, json};

use super::api::Api;
use super::output::print_json;
use super::style::{DIM, paint};
use crate::printable;

/// The page size: the largest that the API allows.
const PAGE: &str = "100";

/// A list read with `take` and `from`, until an answer has no `next`.
pub(super) struct List<'a> {
    /// The path of the list.
    pub(super) path: String,
    /// The filters.
    pub(super) query: Vec<(&'static str, String)>,
    /// The member of the answer that contains the items.
    pub(super) member: &'a str,
    /// The text printed for an empty list.
    pub(super) none: &'a str,
    /// The heading of the table.
    pub(super) heading: String,
    /// Formats an item as a row.
    pub(super) row: fn(&Value) -> String,
}

impl List<'_> {
    /// Prints the whole list: a table, page by page, or one JSON object with the members of a page.
    pub(super) async fn print(&self, api: &Api, as_json: bool) -> anyhow::Result<()> {
        let mut all = Vec::new();
        let mut from = None;
        let mut first = true;
        loop {
            let (items, next) = self.page(api, from).await?;
            if as_json {
                all.extend(items);
            } else if !self.rows(&items, first)? {
                return Ok(());
            }
            if next.is_none() {
                break;
            }
            (from, first) = (next, false);
        }
        if as_json {
            print_json(&json!({ self.member: all }));
        }
        Ok(())
    }

    async fn page(&self, api: &Api, from: Option<String>) -> anyhow::Result<(Vec<Value>, Option<String>)> {
        let mut query = self.query.clone();
        query.push(("take", PAGE.to_owned()));
        query.extend(from.map(|from| ("from", from)));
        let mut answer = api.get(&self.path, &query).await?;
        let Value::Array(items) = answer[self.member].take() else {
            bail!("the answer has no `{}`: this is not logoutd, or another version of it", self.member);
        };
        Ok((items, answer["next"].as_str().map(str::to_owned)))
    }

    /// Prints a page; `false` if the reader has closed the pipe, as `| head` does.
    fn rows(&self, items: &[Value], first: bool) -> std::io::Result<bool> {
        let mut out = anstream::stdout().lock();
        let mut write = || {
            if first && items.is_empty() {
                return writeln!(out, "{}", self.none);
            }
            if first {
                writeln!(out, "{}", paint(DIM, &self.heading))?;
            }
            items
                .iter()
                .try_for_each(|item| writeln!(out, "{}", printable::line((self.row)(item).trim_end())))
        };
        match write() {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }
}
