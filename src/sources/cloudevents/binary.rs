//! Binary mode: attributes in `ce-` headers, as the CloudEvents HTTP binding 1.0.2 has them (section 3.1.3).

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::FieldError;
use super::envelope::{Attributes, event};
use super::json_text::checked;
use crate::domain::event::Event;
use crate::domain::time;

/// The prefix of the headers that carry attributes.
const PREFIX: &str = "ce-";

/// Parses an event: `headers` are all of the request's, with names in lower case; the body is `data`.
pub(super) fn parse_binary<'h>(
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    body: &[u8],
) -> Result<Event, FieldError> {
    let mut headers = AttributeHeaders::read(headers)?;
    let time = match headers.optional("ce-time") {
        Some(text) => {
            Some(time::parse(&text).map_err(|error| FieldError::new("ce-time", error.to_string()))?)
        }
        None => None,
    };
    let attributes = Attributes {
        specversion: headers.required("ce-specversion")?,
        id: headers.required("ce-id")?,
        source: headers.required("ce-source")?,
        r#type: headers.required("ce-type")?,
        time,
    };
    let data = checked(body).map_err(|error| error.within("data"))?;
    event(attributes, data)
}

/// The attributes of an event, by the name of their header.
struct AttributeHeaders(BTreeMap<String, String>);

impl AttributeHeaders {
    /// Reads the headers with attributes, extensions included.
    fn read<'h>(headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> Result<Self, FieldError> {
        let mut attributes = BTreeMap::new();
        for (name, value) in headers.filter(|(name, _)| name.starts_with(PREFIX)) {
            let value = decode(value).map_err(|problem| FieldError::new(name, problem))?;
            if attributes.insert(name.to_owned(), value).is_some() {
                return Err(FieldError::new(name, "this header is given twice"));
            }
        }
        Ok(Self(attributes))
    }

    fn optional(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn required(&mut self, name: &str) -> Result<String, FieldError> {
        self.optional(name).ok_or_else(|| FieldError::new(name, "this header is required in binary mode"))
    }
}

/// Decodes a header's value (section 3.1.3.2): a quoted string, as senders before 1.0.2 wrote it, is unescaped first; then
/// follows a single round of percent-decoding.
fn decode(value: &[u8]) -> Result<String, &'static str> {
    if !value.is_ascii() {
        return Err("must be ASCII, with everything else percent-encoded as UTF-8");
    }
    let text = str::from_utf8(value).map_err(|_| "must be ASCII")?;
    let unquoted = match text.strip_prefix('"') {
        Some(rest) => unescape(rest)?,
        None if text.contains('"') => {
            return Err("a double quote must be percent-encoded, or the value quoted whole");
        }
        None => text.to_owned(),
    };
    let decoded = percent_decode_str(&unquoted).decode_utf8().map_err(|_| "must be percent-encoded UTF-8")?;
    Ok(decoded.into_owned())
}

/// Unescapes a quoted string, given without its opening quote (RFC 7230 §3.2.6).
fn unescape(quoted: &str) -> Result<String, &'static str> {
    let mut text = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    loop {
        match chars.next() {
            Some('"') if chars.as_str().is_empty() => return Ok(text),
            Some('"') | None => return Err(UNCLOSED),
            Some('\\') => text.push(chars.next().ok_or(UNCLOSED)?),
            Some(other) => text.push(other),
        }
    }
}

const UNCLOSED: &str = "a quoted value must end with its closing quote";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_go_before_percent_signs() {
        for (sent, meant) in [
            ("", Ok("")),
            ("plain", Ok("plain")),
            ("a%20b%25", Ok("a b%")),
            ("100%", Ok("100%")),
            (r#""""#, Ok("")),
            (r#""a b""#, Ok("a b")),
            (r#""a\"b\\\c""#, Ok(r#"a"b\c"#)),
            (r#""%22\%32%30""#, Ok(r#""20"#)),
            (r#"""#, Err(UNCLOSED)),
            (r#""a\""#, Err(UNCLOSED)),
            (r#""a"b"#, Err(UNCLOSED)),
            (r#"a"b"#, Err("a double quote must be percent-encoded, or the value quoted whole")),
            ("%ff", Err("must be percent-encoded UTF-8")),
        ] {
            assert_eq!(decode(sent.as_bytes()), meant.map(str::to_owned), "{sent}");
        }
        assert!(decode("ü".as_bytes()).is_err());
    }
}
