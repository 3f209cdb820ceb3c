//! The event sources for which an API token may report.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::ids::MAX_ID_CHARS;

/// The `source` of events: 1 to 255 characters, compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventSource(String);

/// The text cannot be an event's `source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a source has 1 to {MAX_ID_CHARS} characters, none of them a control character")]
pub struct InvalidEventSource;

impl EventSource {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventSource {
    type Error = InvalidEventSource;

    fn try_from(text: String) -> Result<Self, InvalidEventSource> {
        let fits = (1..=MAX_ID_CHARS).contains(&text.chars().count());
        if fits && !text.chars().any(char::is_control) { Ok(Self(text)) } else { Err(InvalidEventSource) }
    }
}

impl FromStr for EventSource {
    type Err = InvalidEventSource;

    fn from_str(text: &str) -> Result<Self, InvalidEventSource> {
        text.to_owned().try_into()
    }
}

impl From<EventSource> for String {
    fn from(source: EventSource) -> Self {
        source.0
    }
}

/// The sources for which a token may report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceLimit {
    /// Every source.
    #[default]
    Any,
    /// Only these.
    Only(BTreeSet<EventSource>),
}

impl SourceLimit {
    /// Whether events with this `source` may be reported.
    pub fn allows(&self, source: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(sources) => sources.iter().any(|allowed| allowed.as_str() == source),
        }
    }

    /// The sources, if they are limited.
    pub fn sources(&self) -> Option<&BTreeSet<EventSource>> {
        match self {
            Self::Any => None,
            Self::Only(sources) => Some(sources),
        }
    }
}

/// An empty list means no limit. (A token that may not report at all is one without the scope `create:events`.)
impl FromIterator<EventSource> for SourceLimit {
    fn from_iter<T: IntoIterator<Item = EventSource>>(sources: T) -> Self {
        let sources: BTreeSet<_> = sources.into_iter().collect();
        if sources.is_empty() { Self::Any } else { Self::Only(sources) }
    }
}

impl fmt::Display for SourceLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Only(sources) = self else { return f.write_str("any") };
        for (i, source) in sources.iter().enumerate() {
            let separator = if i == 0 { "" } else { " " };
            write!(f, "{separator}{}", source.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_1_to_255_characters_and_no_control_characters() {
        for text in ["https://op.example.com", "/op", &"ü".repeat(255)] {
            let source: EventSource = text.parse().unwrap();
            assert_eq!((source.as_str(), String::from(source.clone())), (text, text.to_owned()));
        }
        for text in ["", "https://op.example.com\n", &"ü".repeat(256)] {
            assert_eq!(text.parse::<EventSource>(), Err(InvalidEventSource), "{text}");
        }
    }

    #[test]
    fn a_limit_compares_sources_byte_for_byte() {
        let named: Vec<EventSource> = ["https://op.example.com", "/op"].map(|it| it.parse().unwrap()).into();
        let limit: SourceLimit = named.iter().cloned().collect();
        for (source, allowed) in [
            ("https://op.example.com", true),
            ("/op", true),
            ("https://op.example.com/", false),
            ("https://OP.example.com", false),
            ("", false),
        ] {
            assert_eq!(limit.allows(source), allowed, "{source}");
            assert!(SourceLimit::Any.allows(source));
        }
        assert_eq!(limit.sources(), Some(&named.into_iter().collect()));
        assert_eq!(SourceLimit::Any.sources(), None);
        assert_eq!(SourceLimit::from_iter([]), SourceLimit::Any);
    }
}
