//! Prints a decoded token.

use serde_json::{Map, Value};

use super::style::{DIM, paint};
use super::terminal::println;
use crate::printable;

/// Prints header and claims as indented JSON, each under its name.
pub(super) fn show(header: Option<&Map<String, Value>>, claims: Option<&Map<String, Value>>) {
    for (name, part) in [("header", header), ("claims", claims)] {
        let text = match part {
            // Maps with string keys always serialize.
            Some(part) => serde_json::to_string_pretty(part).unwrap_or_default(),
            None => "cannot be read".to_owned(),
        };
        let text = printable::json(&text);
        let mut lines = text.lines();
        println!("  {}  {}", paint(DIM, name), lines.next().unwrap_or_default());
        lines.for_each(|line| println!("          {line}"));
    }
}
