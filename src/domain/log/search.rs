//! What a search of the audit trail asks of an entry: terms, joined by and, or, not. How it is written is for
//! whoever reads it; how it is answered is the store's.

use std::collections::BTreeSet;
use std::ops::Bound;

use jiff::Timestamp;

use super::{LogId, LogType};

/// A search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSearch {
    /// All of these hold; without any, it is every entry.
    All(Vec<Self>),
    /// One of these holds or more; without any, it is no entry.
    Any(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
    /// A term.
    Term(LogTerm),
}

/// What can be asked of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTerm {
    /// It is of one of these types.
    Type(BTreeSet<LogType>),
    /// Its id lies between these.
    Id(Bound<LogId>, Bound<LogId>),
    /// It is from this time on, and from before that.
    Date(Option<Timestamp>, Option<Timestamp>),
    /// The text in this field is like this. An entry without the field is not found.
    Text(LogField, Pattern),
}

/// The fields of an entry that hold text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogField {
    /// The client it is about.
    ClientId,
    /// The name of that client, as it is registered now.
    ClientName,
    /// The user it is about: the OP's `sub`.
    UserId,
    /// The address that a change came from.
    Ip,
    /// What happened.
    Description,
    /// The `User-Agent` of a change.
    UserAgent,
}

/// A text with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The literal pieces. Between two of them anything may stand, and nothing too. At least one.
    pub pieces: Vec<String>,
    /// Whether `a` and `A` are different.
    pub case_sensitive: bool,
}

impl Pattern {
    /// This text, and no other.
    pub fn exactly(text: impl Into<String>) -> Self {
        Self { pieces: vec![text.into()], case_sensitive: true }
    }

    /// The text, if it has no wildcards and its case counts.
    pub fn exact(&self) -> Option<&str> {
        match &self.pieces[..] {
            [text] if self.case_sensitive => Some(text),
            _ => None,
        }
    }

    /// Whether any text will do.
    pub fn is_anything(&self) -> bool {
        self.pieces.len() > 1 && self.pieces.iter().all(String::is_empty)
    }

    /// Whether a text is like it.
    pub fn matches(&self, text: &str) -> bool {
        if self.case_sensitive { like(&self.pieces, text) } else { self.matches_any_case(text) }
    }

    fn matches_any_case(&self, text: &str) -> bool {
        let pieces: Vec<_> = self.pieces.iter().map(|piece| piece.to_ascii_lowercase()).collect();
        like(&pieces, &text.to_ascii_lowercase())
    }
}

/// Each piece is looked for after the one before it, which finds a place for all if there is one.
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
    /// Every entry.
    pub const EVERYTHING: Self = Self::All(Vec::new());

    /// No entry.
    pub const NOTHING: Self = Self::Any(Vec::new());

    /// Whether it asks anything of the user an entry is about.
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
    fn wildcards_stand_for_anything() {
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
    fn a_pattern_may_be_one_text_or_any() {
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
    fn a_search_that_names_users_is_told_apart_however_it_is_nested() {
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
        fn what_a_pattern_is_made_of_is_like_it(pieces in prop::collection::vec("[ab]{0,3}", 1..5), fill in "[abc]{0,3}") {
            let pattern = Pattern { pieces: pieces.clone(), case_sensitive: true };
            prop_assert!(pattern.matches(&pieces.join(&fill)));
            let longer = pattern.matches(&[pieces.join(&fill), "d".to_owned()].concat());
            prop_assert_eq!(longer, pieces.len() > 1 && pieces.last().is_some_and(String::is_empty));
        }
    }
}
