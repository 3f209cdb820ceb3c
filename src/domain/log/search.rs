//! Search expressions over the audit trail: terms joined by AND, OR and NOT. Parsing belongs to the API, evaluation to
//! the store.

use std::collections::BTreeSet;
use std::ops::Bound;

use jiff::Timestamp;

use super::{LogId, LogType};

/// A search expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSearch {
    /// Conjunction; empty, it matches every entry.
    All(Vec<Self>),
    /// Disjunction; empty, it matches no entry.
    Any(Vec<Self>),
    /// Negation.
    Not(Box<Self>),
    /// A single condition.
    Term(LogTerm),
}

/// A condition on one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTerm {
    /// The type is one of these.
    Type(BTreeSet<LogType>),
    /// The id is between these bounds.
    Id(Bound<LogId>, Bound<LogId>),
    /// The time is at or after the first, and before the second.
    Date(Option<Timestamp>, Option<Timestamp>),
    /// The field matches the pattern. An entry without the field does not match.
    Text(LogField, Pattern),
}

/// The fields of an entry that hold text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogField {
    /// The client it is about.
    ClientId,
    /// That client's currently registered name.
    ClientName,
    /// The user it is about: the OP's `sub`.
    UserId,
    /// The IP address from which a change was requested.
    Ip,
    /// The entry's description.
    Description,
    /// The `User-Agent` of a change.
    UserAgent,
}

/// A text with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The literal parts between the wildcards; a wildcard matches any text, also an empty one. At least one part.
    pub pieces: Vec<String>,
    /// Whether upper and lower case are distinguished; if not, ASCII letters only are folded.
    pub case_sensitive: bool,
}

impl Pattern {
    /// Matches exactly this text.
    pub fn exactly(text: impl Into<String>) -> Self {
        Self { pieces: vec![text.into()], case_sensitive: true }
    }

    /// The text, if the pattern has no wildcards and is case-sensitive.
    pub fn exact(&self) -> Option<&str> {
        match &self.pieces[..] {
            [text] if self.case_sensitive => Some(text),
            _ => None,
        }
    }

    /// Whether every text matches.
    pub fn is_anything(&self) -> bool {
        self.pieces.len() > 1 && self.pieces.iter().all(String::is_empty)
    }

    /// Whether a text matches.
    pub fn matches(&self, text: &str) -> bool {
        if self.case_sensitive { like(&self.pieces, text) } else { self.matches_any_case(text) }
    }

    fn matches_any_case(&self, text: &str) -> bool {
        let pieces: Vec<_> = self.pieces.iter().map(|piece| piece.to_ascii_lowercase()).collect();
        like(&pieces, &text.to_ascii_lowercase())
    }
}

/// Matches greedily from the left: taking the first occurrence of each piece leaves the most text for the others.
fn like(pieces: &[String], text: &str) -> bool {
    let [first, others @ ..] = pieces else { return false };
    let [between @ .., last] = others else { return text == first };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for piece in between {
        let Some(at) = rest.find(piece.as_str()) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last.as_str())
}

impl LogSearch {
    /// Matches every entry.
    pub const EVERYTHING: Self = Self::All(Vec::new());

    /// Matches no entry.
    pub const NOTHING: Self = Self::Any(Vec::new());

    /// Whether any condition is on the user id.
    pub fn names_users(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::names_users),
            Self::Not(part) => part.names_users(),
            Self::Term(term) => matches!(term, LogTerm::Text(LogField::UserId, _)),
        }
    }
}

impl From<LogTerm> for LogSearch {
    fn from(term: LogTerm) -> Self {
        Self::Term(term)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern { pieces: text.split('*').map(str::to_owned).collect(), case_sensitive: true }
    }

    #[test]
    fn wildcards_match_any_text() {
        for (text, like, unlike) in [
            ("abc", vec!["abc"], vec!["", "ab", "abcd", "ABC"]),
            ("a*", vec!["a", "ab"], vec!["", "ba"]),
            ("*a", vec!["a", "ba"], vec!["", "ab"]),
            ("a*a", vec!["aa", "aba", "aaa"], vec!["a", "ab"]),
            ("*a*b*", vec!["ab", "xaxbx"], vec!["ba", "a"]),
            ("*", vec!["", "x"], vec![]),
            ("ab*bc", vec!["abbc", "abxbc"], vec!["abc"]),
        ] {
            assert!(like.iter().all(|it| pattern(text).matches(it)), "{text} is like {like:?}");
            assert!(!unlike.iter().any(|it| pattern(text).matches(it)), "{text} is not like {unlike:?}");
        }
        let any_case = Pattern { case_sensitive: false, ..pattern("a*C") };
        assert!(any_case.matches("ABC") && any_case.matches("ac") && !any_case.matches("b"));
    }

    #[test]
    fn exact_patterns_and_match_all_patterns_are_recognised() {
        for (text, exact, is_anything) in [
            ("abc", Some("abc"), false),
            ("", Some(""), false),
            ("a*", None, false),
            ("*a", None, false),
            ("*", None, true),
            ("**", None, true),
        ] {
            let pattern = pattern(text);
            assert_eq!((pattern.exact(), pattern.is_anything()), (exact, is_anything), "{text}");
            assert_eq!(Pattern { case_sensitive: false, ..pattern }.exact(), None, "{text}");
        }
    }

    #[test]
    fn a_condition_on_users_is_found_at_any_depth() {
        let text = |field| LogSearch::Term(LogTerm::Text(field, Pattern::exactly("alice")));
        let (user, ip) = (|| text(LogField::UserId), || text(LogField::Ip));
        for search in [
            user(),
            LogSearch::Not(Box::new(user())),
            LogSearch::All(vec![ip(), user()]),
            LogSearch::Any(vec![ip(), LogSearch::All(vec![user()])]),
        ] {
            assert!(search.names_users(), "{search:?}");
        }
        for search in [ip(), LogSearch::Not(Box::new(ip())), LogSearch::EVERYTHING, LogSearch::NOTHING] {
            assert!(!search.names_users(), "{search:?}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_its_pieces_joined_by_any_text(pieces in prop::collection::vec("[ab]{0,3}", 1..5), fill in "[abc]{0,3}") {
            let pattern = Pattern { pieces: pieces.clone(), case_sensitive: true };
            prop_assert!(pattern.matches(&pieces.join(&fill)));
            let longer = pattern.matches(&[pieces.join(&fill), "d".to_owned()].concat());
            prop_assert_eq!(longer, pieces.len() > 1 && pieces.last().is_some_and(String::is_empty));
        }
    }
}
