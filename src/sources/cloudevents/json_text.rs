//! JSON bodies: checked for repeated members once, and then parsed with the path of each error.

use serde::Deserialize;

use super::FieldError;
use crate::json;

/// The text of a JSON body in which no member is repeated.
pub(super) fn checked(body: &[u8]) -> Result<&str, FieldError> {
    json::check(body).map_err(|fault| match fault {
        json::Fault::Syntax(error) => FieldError::new("", format!("the body is not valid JSON: {error}")),
        json::Fault::Repeated { path } => FieldError::new(path, json::REPEATED),
    })?;
    let text = str::from_utf8(body).map_err(|_| FieldError::new("", "the body must be UTF-8"))?;
    Ok(text.trim_ascii())
}

/// Parses a part of a text that was [`checked`].
pub(super) fn typed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, FieldError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        FieldError::new(path, json::complaint(error.inner()))
    })
}
