//! The content modes of the CloudEvents HTTP binding.

/// How the body of a request holds events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The body is one event.
    Structured,
    /// The body is a list of events.
    Batch,
    /// The body is the `data` of one event, whose attributes are in `ce-` headers.
    Binary,
}

impl Mode {
    /// The mode of a request (CloudEvents HTTP binding §3), if its `Content-Type` is one of those for events.
    ///
    /// Plain `application/json` without attributes in headers is what curl users send: a body that begins with `[` is a
    /// batch, any other is a structured event.
    pub fn of(content_type: &str, has_attribute_headers: bool, body: &[u8]) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media_type.as_str() {
            "application/cloudevents+json" => Some(Self::Structured),
            "application/cloudevents-batch+json" => Some(Self::Batch),
            "application/json" if has_attribute_headers => Some(Self::Binary),
            "application/json" if body.trim_ascii_start().starts_with(b"[") => Some(Self::Batch),
            "application/json" => Some(Self::Structured),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_that_of_the_content_type() {
        for (content_type, has_attribute_headers, body, expected) in [
            ("application/cloudevents+json", false, "{}", Some(Mode::Structured)),
            ("Application/CloudEvents+JSON ; charset=utf-8", true, "[]", Some(Mode::Structured)),
            ("application/cloudevents-batch+json", false, "{}", Some(Mode::Batch)),
            ("application/json", true, "[]", Some(Mode::Binary)),
            ("application/json", false, " \n[]", Some(Mode::Batch)),
            ("application/json; charset=utf-8", false, "{}", Some(Mode::Structured)),
            ("text/json", false, "{}", None),
            ("", true, "{}", None),
        ] {
            assert_eq!(
                Mode::of(content_type, has_attribute_headers, body.as_bytes()),
                expected,
                "{content_type}"
            );
        }
    }
}
