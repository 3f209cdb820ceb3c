//! Prints answers of the service.

use serde_json::{Map, Value};

use super::style::{DIM, paint, state_style};
use super::terminal::{out_json, println};
pub(super) use crate::printable::text as printable;

/// Prints an answer as indented JSON.
pub(super) fn print_json(answer: &Value) {
    out_json(&format!("{answer:#}"));
}

/// The text of a member; empty if it is missing or not a string.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The items of a member; empty if it is missing or not a list.
pub(super) fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A time to the second, as in tables.
pub(super) fn seconds(time: &str) -> String {
    time.parse::<jiff::Timestamp>()
        .map_or_else(|_| time.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A value as text: the items of a list separated by commas, the members of an object as names and values.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text).into_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| format!("{} {}", printable(name), plain(value));
            members.iter().map(member).collect::<Vec<_>>().join(", ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Prints a name and its value. An empty value prints nothing.
pub(super) fn print_field(name: &str, value: &str) {
    if !value.is_empty() {
        println!("{} {value}", paint(DIM, format_args!("{name:<17}")));
    }
}

/// Prints the members of an answer that are not in `shown`, under their own names.
pub(super) fn print_rest(answer: &Map<String, Value>, shown: &[&str]) {
    for (name, value) in answer.iter().filter(|(name, _)| !shown.contains(&name.as_str())) {
        print_field(&printable(name), &plain(value));
    }
}

/// Prints the deliveries of an event or command.
pub(super) fn print_deliveries(deliveries: &[Value]) {
    if deliveries.is_empty() {
        println!("  no deliveries");
    }
    for delivery in deliveries {
        let state = text(delivery, "state");
        println!(
            "  {:<24} {}  {}",
            text(delivery, "client_id"),
            paint(state_style(state), format_args!("{state:<9}")),
            paint(DIM, text(delivery, "id"))
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_wrote_does_not_steer_the_terminal() {
        assert_eq!(printable("Zoë, Łódź"), "Zoë, Łódź");
        assert_eq!(printable("a\u{1b}[2Jb\u{9b}c\n"), "a\\u{1b}[2Jb\\u{9b}c\\n");
        assert_eq!(plain(&json!({"k": ["a\u{7}", 1, true]})), "k a\\u{7}, 1, true");
    }
}
