//! The parameter `q` of the audit trail: the part of Lucene's query syntax that Auth0's users filter logs by,
//! and that the store can answer from its indexes.
//!
//! ```text
//! q     = term *( "AND" term )
//! term  = "type:" ( value | "(" value *( "OR" value ) ")" )    a value may end in *
//!       | "client_id:" value | "log_id:" value
//!       | "date:" ( "[" | "{" ) ( time | "*" ) "TO" ( time | "*" ) ( "]" | "}" )
//! value = word | quoted
//! ```

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::domain::log::{LogFilter, LogType};
use crate::domain::time;

/// What is not understood, and what is. The texts are shown to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QError {
    #[error("`{0}` stands alone; name a field: type, client_id, log_id or date")]
    Bare(String),
    #[error("`{0}` cannot be searched by; use type, client_id, log_id or date")]
    Field(String),
    #[error("`{0}:` is there twice; name each field once, and several types as type:(sslo OR fslo)")]
    Twice(String),
    #[error("`{0}` stands between terms; these are joined by AND, and the types in a list by OR")]
    Joint(String),
    #[error("it ends where {0} is expected")]
    End(&'static str),
    #[error("`{found}` stands where {expected} is expected")]
    Unexpected { found: String, expected: &'static str },
    #[error("wildcards are only for types, at their end: type:s*")]
    Wildcard,
    #[error("`{0}` is no time; use 2026-01-02, 2026-01-02T03:04:05Z or *")]
    Time(String),
    #[error("{0}: {1}")]
    Value(&'static str, String),
}

/// What it asks for.
pub(super) fn parse(text: &str) -> Result<LogFilter, QError> {
    let mut tokens = Tokens { rest: text };
    let mut filter = LogFilter::default();
    let mut seen = BTreeSet::new();
    loop {
        let field = tokens.field()?;
        if !seen.insert(field.clone()) {
            return Err(QError::Twice(field));
        }
        match field.as_str() {
            "type" => filter.types = Some(tokens.types()?),
            "client_id" => filter.client_id = Some(tokens.exact("client_id")?),
            "log_id" | "_id" => filter.id = Some(tokens.exact("log_id")?),
            "date" => (filter.since, filter.before) = tokens.range()?,
            _ => return Err(QError::Field(field)),
        }
        match tokens.next()? {
            None => return Ok(filter),
            Some(Token::Word(word)) if word == "AND" => {}
            Some(other) => return Err(QError::Joint(other.to_string())),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Colon,
    Open,
    Close,
    /// Its brackets, and what is between them.
    Range {
        including_from: bool,
        text: String,
        including_to: bool,
    },
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word(text) | Self::Quoted(text) | Self::Range { text, .. } => f.write_str(text),
            Self::Colon => f.write_str(":"),
            Self::Open => f.write_str("("),
            Self::Close => f.write_str(")"),
        }
    }
}

struct Tokens<'a> {
    rest: &'a str,
}

impl Tokens<'_> {
    fn next(&mut self) -> Result<Option<Token>, QError> {
        self.rest = self.rest.trim_start();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let token = match first {
            ':' => Token::Colon,
            '(' => Token::Open,
            ')' => Token::Close,
            '[' | '{' => return self.bracketed(first == '[').map(Some),
            '"' => return self.quoted().map(Some),
            _ => return Ok(Some(self.word())),
        };
        self.rest = &self.rest[1..];
        Ok(Some(token))
    }

    fn word(&mut self) -> Token {
        let end = |char: char| char.is_whitespace() || "()[]{}:\"".contains(char);
        let (word, rest) = self.rest.split_at(self.rest.find(end).unwrap_or(self.rest.len()));
        // A closing bracket that nothing opened.
        let (word, rest) = if word.is_empty() { self.rest.split_at(1) } else { (word, rest) };
        self.rest = rest;
        Token::Word(word.to_owned())
    }

    fn quoted(&mut self) -> Result<Token, QError> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(Token::Quoted(text));
                }
                '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
                other => text.push(other),
            }
        }
        Err(QError::End("a closing quotation mark"))
    }

    fn bracketed(&mut self, including_from: bool) -> Result<Token, QError> {
        let inside = &self.rest[1..];
        let end = inside.find([']', '}']).ok_or(QError::End("`]` or `}`"))?;
        let including_to = inside[end..].starts_with(']');
        self.rest = &inside[end + 1..];
        Ok(Token::Range { including_from, text: inside[..end].trim().to_owned(), including_to })
    }

    fn field(&mut self) -> Result<String, QError> {
        let field = match self.next()? {
            None => return Err(QError::End("a field such as type")),
            Some(Token::Word(word)) => word,
            Some(other) => return Err(QError::Bare(other.to_string())),
        };
        match self.next()? {
            Some(Token::Colon) => Ok(field),
            _ => Err(QError::Bare(field)),
        }
    }

    /// The types of these codes. A code that nothing here has, as `slo`, is one more that matches nothing.
    fn types(&mut self) -> Result<BTreeSet<LogType>, QError> {
        let mut types = BTreeSet::new();
        let first = self.next()?;
        if first != Some(Token::Open) {
            types.extend(matching(first)?);
            return Ok(types);
        }
        loop {
            types.extend(matching(self.next()?)?);
            match self.next()? {
                Some(Token::Close) => return Ok(types),
                Some(Token::Word(word)) if word == "OR" => {}
                None => return Err(QError::End("`)`")),
                Some(found) => {
                    return Err(QError::Unexpected { found: found.to_string(), expected: "OR or `)`" });
                }
            }
        }
    }

    fn exact<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        field: &'static str,
    ) -> Result<T, QError> {
        let text = match self.next()? {
            Some(Token::Word(word)) if word.contains(['*', '?']) => return Err(QError::Wildcard),
            Some(Token::Word(text) | Token::Quoted(text)) => text,
            other => return Err(unexpected(other, "a value")),
        };
        text.parse().map_err(|error: T::Err| QError::Value(field, error.to_string()))
    }

    /// From when, and before when.
    fn range(&mut self) -> Result<(Option<Timestamp>, Option<Timestamp>), QError> {
        const EXPECTED: &str = "a range such as [2026-01-01 TO *]";
        match self.next()? {
            Some(Token::Range { including_from, text, including_to }) => {
                let ends = text.split_once(" TO ");
                let (from, to) =
                    ends.ok_or(QError::Unexpected { found: text.clone(), expected: EXPECTED })?;
                let from = instant(from.trim())?.map(|it| if including_from { it.begins } else { it.ends });
                let to = instant(to.trim())?.map(|it| if including_to { it.ends } else { it.begins });
                Ok((from, to))
            }
            other => Err(unexpected(other, EXPECTED)),
        }
    }
}

fn unexpected(found: Option<Token>, expected: &'static str) -> QError {
    match found {
        None => QError::End(expected),
        Some(found) => QError::Unexpected { found: found.to_string(), expected },
    }
}

fn matching(token: Option<Token>) -> Result<Vec<LogType>, QError> {
    let (text, prefix) = match token {
        Some(Token::Quoted(text)) => (text, false),
        Some(Token::Word(word)) => match word.strip_suffix('*') {
            Some(prefix) => (prefix.to_owned(), true),
            None => (word, false),
        },
        other => return Err(unexpected(other, "a type such as sslo")),
    };
    if text.contains(['*', '?']) {
        return Err(QError::Wildcard);
    }
    let matches = |it: &LogType| it.as_str() == text || (prefix && it.as_str().starts_with(&text));
    Ok(LogType::ALL.into_iter().filter(matches).collect())
}

/// The time that a text names, which lasts as long as it does not say more exactly: a day, or a millisecond.
struct Instant {
    begins: Timestamp,
    ends: Timestamp,
}

/// `None` for `*`.
fn instant(text: &str) -> Result<Option<Instant>, QError> {
    if text == "*" {
        return Ok(None);
    }
    let wrong = || QError::Time(text.to_owned());
    // Whoever looks until the end of the year 9999 looks without an end.
    let utc = |time: DateTime| TimeZone::UTC.to_timestamp(time).map_or(time::MAX, time::kept);
    // jiff reads the date of `2026-01-02T03:04` too.
    if text.len() == "2026-01-02".len()
        && let Ok(day) = text.parse::<Date>()
    {
        let next = day.tomorrow().map_or(time::MAX, |next| utc(next.into()));
        return Ok(Some(Instant { begins: utc(day.into()), ends: next }));
    }
    let begins = match time::parse(text) {
        Ok(time) => time,
        // What else jiff takes for a time, and one without an offset.
        Err(_) => match text.parse::<Timestamp>() {
            Ok(time) => time::kept(time),
            Err(_) => utc(text.parse().map_err(|_| wrong())?),
        },
    };
    let ends = begins.checked_add(SignedDuration::from_millis(1)).map_err(|_| wrong())?;
    Ok(Some(Instant { begins, ends }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn of(types: &[LogType]) -> LogFilter {
        LogFilter { types: Some(types.iter().copied().collect()), ..LogFilter::default() }
    }

    #[test]
    fn what_auth0s_users_write_is_understood() {
        use LogType::{Fapi, Fslo, Sapi, Sslo};
        let id = "1767323045678000000000000000000000000000000000000007";
        for (text, expected) in [
            ("type:sslo", of(&[Sslo])),
            ("type:\"sslo\"", of(&[Sslo])),
            ("type:(sslo OR fslo)", of(&[Sslo, Fslo])),
            ("type: ( \"sapi\" OR f* )", of(&[Sapi, Fapi, Fslo])),
            ("type:slo", of(&[])),
            ("type:(slo OR fslo)", of(&[Fslo])),
            ("client_id:shop", LogFilter { client_id: Some("shop".parse().unwrap()), ..Default::default() }),
            (
                "client_id:\"a \\\"b\\\" : c\"",
                LogFilter { client_id: Some("a \"b\" : c".parse().unwrap()), ..Default::default() },
            ),
            (&format!("log_id:{id}"), LogFilter { id: Some(id.parse().unwrap()), ..Default::default() }),
            (
                "type:fslo AND client_id:shop AND date:[2026-01-01 TO *]",
                LogFilter {
                    client_id: Some("shop".parse().unwrap()),
                    since: Some(at("2026-01-01T00:00:00Z")),
                    ..of(&[Fslo])
                },
            ),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_range_includes_its_ends_or_not() {
        for (range, since, before) in [
            ("[* TO *]", None, None),
            (
                "[2026-01-01 TO 2026-01-02]",
                Some(at("2026-01-01T00:00:00Z")),
                Some(at("2026-01-03T00:00:00Z")),
            ),
            (
                "{2026-01-01 TO 2026-01-02}",
                Some(at("2026-01-02T00:00:00Z")),
                Some(at("2026-01-02T00:00:00Z")),
            ),
            ("[2026-01-01T10:00:00Z TO *}", Some(at("2026-01-01T10:00:00Z")), None),
            ("{2026-01-01T10:00:00 TO *]", Some(at("2026-01-01T10:00:00.001Z")), None),
            ("[* TO 2026-01-01T10:00:00.5+02:00]", None, Some(at("2026-01-01T08:00:00.501Z"))),
        ] {
            let filter = parse(&format!("date:{range}")).unwrap();
            assert_eq!((filter.since, filter.before), (since, before), "{range}");
        }
    }

    #[test]
    fn what_is_not_understood_says_what_is() {
        for (text, said) in [
            ("", "it ends where a field such as type is expected"),
            ("sslo", "`sslo` stands alone; name a field"),
            ("\"sslo\"", "`sslo` stands alone"),
            ("user_id:\"auth0|a\"", "`user_id` cannot be searched by"),
            ("-type:sslo", "`-type` cannot be searched by"),
            ("NOT type:sslo", "`NOT` stands alone"),
            ("(type:sslo)", "`(` stands alone"),
            ("type:sslo client_id:a", "`client_id` stands between terms"),
            ("type:sslo OR type:fslo", "`OR` stands between terms"),
            ("type:sslo AND type:fslo", "`type:` is there twice"),
            ("type:sslo AND", "it ends where a field such as type is expected"),
            ("type:(sslo fslo)", "`fslo` stands where OR or `)` is expected"),
            ("type:(sslo OR fslo", "it ends where `)` is expected"),
            ("type:", "it ends where a type such as sslo is expected"),
            ("type:s*o", "wildcards are only for types, at their end"),
            ("client_id:a*", "wildcards are only for types, at their end"),
            ("client_id:\"a", "it ends where a closing quotation mark is expected"),
            ("client_id:\"\"", "client_id: must not be empty"),
            ("log_id:7", "log_id: must be the log_id of an entry: 52 digits"),
            ("date:2026-01-01", "`2026-01-01` stands where a range such as [2026-01-01 TO *] is expected"),
            ("date:[2026-01-01]", "`2026-01-01` stands where a range"),
            ("date:[2026-01-01 TO *", "it ends where `]` or `}` is expected"),
            ("date:[yesterday TO *]", "`yesterday` is no time"),
            ("date:[2026-13-01 TO *]", "`2026-13-01` is no time"),
            ("] type:sslo", "`]` stands alone"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(type|client_id|date|log_id|[a-z \\[\\]{}()\":*\\\\é-]|TO|OR|AND|[0-9T]){0,40}") {
            let _ = parse(&text);
        }
    }
}
