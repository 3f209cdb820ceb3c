//! `[log]`: what is logged, and in which form.

use super::reader::Section;
use super::source::{Parsed, Value};

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// `tracing-subscriber`'s filter directives; "info" by default. `LOGOUTD_LOG` in the environment overrides it.
    /// The caller checks whether it is a valid filter.
    pub level: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, JSON anywhere else.
    #[default]
    Auto,
    /// A JSON object.
    Json,
    /// For people.
    Human,
}

impl LogFormat {
    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Json => "json",
            Self::Human => "human",
        }
    }
}

impl Log {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            format: section.optional("format", format).unwrap_or_default(),
            level: section.optional("level", level).unwrap_or_else(|| "info".to_owned()),
        }
    }
}

fn format(value: &Value) -> Parsed<LogFormat> {
    let text = value.text()?;
    [LogFormat::Auto, LogFormat::Json, LogFormat::Human]
        .into_iter()
        .find(|format| format.as_str() == text)
        .ok_or_else(|| "must be \"auto\", \"json\" or \"human\"".to_owned())
}

fn level(value: &Value) -> Parsed<String> {
    let text = value.text()?;
    if text.trim().is_empty() {
        return Err("must be a level such as \"info\" or \"debug\", and is empty".to_owned());
    }
    Ok(text.into_owned())
}
