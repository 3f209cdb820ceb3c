//! How commands show what the service answered.

use serde_json::{Map, Value};

use super::style::{DIM, paint, state_style};
use super::terminal::{out_json, println};
pub(super) use crate::printable::text as printable;

/// The answer as it is.
pub(super) fn print_json(answer: &Value) {
    out_json(&format!("{answer:#}"));
}

/// A member's text; nothing where there is none.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// A member's items; none where there is no list.
pub(super) fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A time to the second, as a table shows it.
pub(super) fn seconds(time: &str) -> String {
    time.parse::<jiff::Timestamp>()
        .map_or_else(|_| time.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A value for people: a list with commas between its items, an object with its names before its values.
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

/// A row of a listing by name. Nothing is printed where there is no value.
pub(super) fn print_field(name: &str, value: &str) {
    if !value.is_empty() {
        println!("{} {value}", paint(DIM, format_args!("{name:<17}")));
    }
}

/// The members of an answer that are not shown in some other way, under their own names.
pub(super) fn print_rest(answer: &Map<String, Value>, shown: &[&str]) {
    for (name, value) in answer.iter().filter(|(name, _)| !shown.contains(&name.as_str())) {
        print_field(&printable(name), &plain(value));
    }
}

/// The deliveries that arose from something.
pub(super) fn print_deliveries(deliveries: &[Value]) {
    if deliveries.is_empty() {
        println!("  no client had to be told");
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
