//! What a field and a value ask for.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::dates::instant;
use super::tokens::{Range, Word};
use super::{Language, QError};
use crate::domain::log::{LogField, LogId, LogSearch, LogTerm, LogType, Pattern};

/// The fields that can be searched by, for errors.
pub(super) const KNOWN: &str =
    "type, client_id, client_name, user_id, ip, description, user_agent, log_id or date";

/// Fields of Auth0's that no entry here has: no search by one finds anything.
const ABSENT: [&str; 13] = [
    "audience",
    "connection",
    "connection_id",
    "environment_name",
    "hostname",
    "organization_id",
    "organization_name",
    "scope",
    "session_connection",
    "strategy",
    "strategy_type",
    "tenant_name",
    "user_name",
];

/// A field of entries.
#[derive(Clone, Debug)]
pub(super) enum Field {
    Type,
    LogId,
    Date,
    Text(LogField, &'static str),
    Absent(String),
    /// `*`, whose only value is `*`.
    Any,
}

impl Field {
    pub(super) fn named(name: &str, language: Language) -> Result<Self, QError> {
        Ok(match (name, language) {
            ("type", _) => Self::Type,
            ("log_id" | "_id", _) => Self::LogId,
            ("date", _) => Self::Date,
            ("client_id", _) => Self::Text(LogField::ClientId, "client_id"),
            ("client_name", _) | ("application", Language::Search) => {
                Self::Text(LogField::ClientName, "client_name")
            }
            // Users are known by their `sub` only.
            ("user_id", _) | ("user", Language::Search) => Self::Text(LogField::UserId, "user_id"),
            ("ip", _) => Self::Text(LogField::Ip, "ip"),
            ("description", _) => Self::Text(LogField::Description, "description"),
            ("user_agent", _) => Self::Text(LogField::UserAgent, "user_agent"),
            ("*", _) => Self::Any,
            _ if ABSENT.contains(&name) => Self::Absent(name.to_owned()),
            _ => return Err(QError::Field(name.to_owned())),
        })
    }

    /// It is this text.
    pub(super) fn is(&self, text: String, language: Language) -> Result<LogSearch, QError> {
        self.matches(Pattern { pieces: vec![text], case_sensitive: language == Language::Query })
    }

    /// It is like this word.
    pub(super) fn like(&self, word: Word, language: Language) -> Result<LogSearch, QError> {
        self.matches(pattern(word, language, matches!(self, Self::Type | Self::Text(..))))
    }

    fn matches(&self, pattern: Pattern) -> Result<LogSearch, QError> {
        if pattern.is_anything() && !matches!(self, Self::Absent(_) | Self::Text(..)) {
            return Ok(LogSearch::EVERYTHING);
        }
        Ok(match self {
            Self::Type => types(&pattern),
            Self::LogId => {
                let id = pattern.pieces.join("*").parse()?;
                LogTerm::Id(Bound::Included(id), Bound::Included(id)).into()
            }
            Self::Date => {
                let text = pattern.pieces.join("*");
                let instant = instant(&text)?.ok_or(QError::Time(text))?;
                LogTerm::Date(Some(instant.begins), Some(instant.ends)).into()
            }
            Self::Text(field, _) => LogTerm::Text(*field, pattern).into(),
            Self::Absent(_) => LogSearch::NOTHING,
            Self::Any => return Err(QError::Field("*".to_owned())),
        })
    }

    /// It lies in this range.
    pub(super) fn between(&self, range: &Range) -> Result<LogSearch, QError> {
        const EXPECTED: &str = "a range such as [2026-01-01 TO *]";
        let name = match self {
            Self::Date | Self::LogId => {
                let (from, to) = range
                    .text
                    .split_once(" TO ")
                    .ok_or(QError::Unexpected { found: range.text.clone(), expected: EXPECTED })?;
                let [from, to] = [from, to].map(|end| end.trim().trim_matches('"'));
                return if matches!(self, Self::Date) {
                    dates(range, from, to)
                } else {
                    ids(range, from, to)
                };
            }
            Self::Text(_, name) => name,
            Self::Absent(name) => name.as_str(),
            Self::Type => "type",
            Self::Any => "*",
        };
        Err(QError::Range(name.to_owned()))
    }
}

fn dates(range: &Range, from: &str, to: &str) -> Result<LogSearch, QError> {
    let since = instant(from)?.map(|it| if range.including_from { it.begins } else { it.ends });
    let before = instant(to)?.map(|it| if range.including_to { it.ends } else { it.begins });
    Ok(LogTerm::Date(since, before).into())
}

fn ids(range: &Range, from: &str, to: &str) -> Result<LogSearch, QError> {
    let end = |text: &str, including: bool| -> Result<Bound<LogId>, QError> {
        Ok(match text {
            "*" => Bound::Unbounded,
            id if including => Bound::Included(id.parse()?),
            id => Bound::Excluded(id.parse()?),
        })
    };
    Ok(LogTerm::Id(end(from, range.including_from)?, end(to, range.including_to)?).into())
}

/// The types that have a name like this, the older ones included.
fn types(pattern: &Pattern) -> LogSearch {
    let like = |it: &LogType| it.names().any(|name| pattern.matches(name));
    let types: BTreeSet<_> = LogType::ALL.into_iter().filter(like).collect();
    if types.is_empty() { LogSearch::NOTHING } else { LogTerm::Type(types).into() }
}

fn pattern(word: Word, language: Language, text: bool) -> Pattern {
    let Word { mut pieces, .. } = word;
    if language == Language::Search && text {
        pieces.push(String::new());
    }
    Pattern { pieces, case_sensitive: language == Language::Query }
}

/// A word without a field.
pub(super) fn bare_word(word: &Word, language: Language) -> LogSearch {
    bare(&pattern(word.clone(), language, true), language)
}

/// A text in quotation marks, without a field.
pub(super) fn bare_text(text: &str, language: Language) -> LogSearch {
    bare(&Pattern { pieces: vec![text.to_owned()], case_sensitive: language == Language::Query }, language)
}

/// What has no field is looked for in those that Auth0 looks in.
fn bare(pattern: &Pattern, language: Language) -> LogSearch {
    let text = |field| LogSearch::Term(LogTerm::Text(field, pattern.clone()));
    if language == Language::Search {
        return text(LogField::ClientName);
    }
    let mut parts =
        vec![types(pattern), text(LogField::ClientName), text(LogField::Ip), text(LogField::Description)];
    if let Some(id) = pattern.exact().and_then(|text| text.parse().ok()) {
        parts.push(LogTerm::Id(Bound::Included(id), Bound::Included(id)).into());
    }
    parts.retain(|part| *part != LogSearch::NOTHING);
    LogSearch::Any(parts)
}
