//! The parameters `q` and `search` of the audit trail: the part of Lucene's query syntax by which Auth0's users
//! filter logs (<https://auth0.com/docs/deploy-monitor/logs/log-search-query-syntax>).
//!
//! ```text
//! list  = 1*( or )                                     without an operator: one or more of these; all of those
//!                                                      with + and none of those with - or NOT
//! or    = and *( ( "OR" | "||" ) and )
//! and   = unary *( ( "AND" | "&&" ) unary )
//! unary = ( "NOT" | "!" | "-" | "+" ) unary | term
//! term  = [ field ":" ] ( word | quoted | "(" list ")" | range )
//! range = ( "[" | "{" ) ( value | "*" ) "TO" ( value | "*" ) ( "]" | "}" )
//! ```
//!
//! A word may have the wildcard `*`; `\` takes any character's meaning away. Length, depth and terms are limited, so
//! that no query is much work to read or to answer.

mod dates;
mod expression;
mod terms;
mod tokens;

use crate::domain::log::LogSearch;

/// The longest query, in characters.
const MAX_CHARS: usize = 4096;

/// How deep parentheses and negations may be nested.
const MAX_DEPTH: u32 = 20;

/// The most terms.
const MAX_TERMS: usize = 100;

/// The most wildcards of a word.
const MAX_WILDCARDS: usize = 8;

/// Why a query is rejected. The texts are answered to the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QError {
    #[error("it must be at most {MAX_CHARS} characters long, and has {0}")]
    TooLong(usize),
    #[error("it must not be nested deeper than {MAX_DEPTH}")]
    TooDeep,
    #[error("it must have at most {MAX_TERMS} terms")]
    TooManyTerms,
    #[error("`{0}` is no field of an entry; use {known}", known = terms::KNOWN)]
    Field(String),
    #[error(
        "user_id: entries name no users; set `subjects = true` in the [audit] section of the configuration"
    )]
    NoUsers,
    #[error("it ends where {0} is expected")]
    End(&'static str),
    #[error("`{found}` stands where {expected} is expected")]
    Unexpected { found: String, expected: &'static str },
    #[error("`{0}`: ? is no wildcard, only * is; write \\? for the character")]
    QuestionMark(String),
    #[error("`{0}`: fuzzy (~) and weighted (^) terms are not understood; write \\~ or \\^ for the character")]
    Fuzzy(String),
    #[error("`{0}`: at most {MAX_WILDCARDS} wildcards are allowed in a term")]
    Wildcards(String),
    #[error("{0}: ranges are for date and log_id")]
    Range(String),
    #[error("`{0}` is no time; use 2026, 2026-01, 2026-01-02, 2026-01-02T03:04:05Z or *")]
    Time(String),
    #[error("log_id: {0}")]
    LogId(#[from] crate::domain::log::LogIdError),
}

/// How a query is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// `q`: case counts, and so does the whole text of a field.
    Query,
    /// `search`: case does not count, words are beginnings, and everything that is said has to hold.
    Search,
}

/// What it asks for; `users`: whether it may ask for users.
pub(super) fn parse(text: &str, language: Language, users: bool) -> Result<LogSearch, QError> {
    let chars = text.chars().count();
    if chars > MAX_CHARS {
        return Err(QError::TooLong(chars));
    }
    let search = expression::parse(text, language)?;
    if search.names_users() && !users { Err(QError::NoUsers) } else { Ok(search) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            text in r#"(type|client_id|date|log_id|ip|[a-z \[\]{}()":*\\é+!~-]|TO|OR|AND|NOT|[|&]{2}|[0-9T]){0,40}"#,
        ) {
            for language in [Language::Query, Language::Search] {
                let _ = parse(&text, language, true);
            }
        }
    }
}
