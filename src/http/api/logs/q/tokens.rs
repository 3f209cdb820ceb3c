//! A query, token by token.

use super::QError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    And,
    Or,
    /// `NOT`, `!` or `-`.
    Not(&'static str),
    Plus,
    Open,
    Close,
    /// A name and the colon after it.
    Field(String),
    Word(Word),
    Quoted(String),
    Range(Range),
}

/// A word as it is written, and the literal pieces between its wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) written: String,
    pub(super) pieces: Vec<String>,
}

/// Its brackets, and what is between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) including_from: bool,
    pub(super) text: String,
    pub(super) including_to: bool,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::And => f.write_str("AND"),
            Self::Or => f.write_str("OR"),
            Self::Not(written) => f.write_str(written),
            Self::Plus => f.write_str("+"),
            Self::Open => f.write_str("("),
            Self::Close => f.write_str(")"),
            Self::Field(name) => write!(f, "{name}:"),
            Self::Word(word) => f.write_str(&word.written),
            Self::Quoted(text) => f.write_str(text),
            Self::Range(range) => f.write_str(&range.text),
        }
    }
}

/// Reads one token after the other.
pub(super) struct Tokens<'a> {
    rest: &'a str,
    /// What was read and put back.
    peeked: Option<Token>,
    /// Whether a field has just been read: then a name with a colon is a value.
    after_field: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { rest: text, peeked: None, after_field: false }
    }

    pub(super) fn peek(&mut self) -> Result<Option<&Token>, QError> {
        if self.peeked.is_none() {
            // At the end there is nothing to put back, and it is the end again.
            self.peeked = self.read()?;
        }
        Ok(self.peeked.as_ref())
    }

    pub(super) fn next(&mut self) -> Result<Option<Token>, QError> {
        match self.peeked.take() {
            Some(token) => Ok(Some(token)),
            None => self.read(),
        }
    }

    fn read(&mut self) -> Result<Option<Token>, QError> {
        self.rest = self.rest.trim_start();
        let value = std::mem::take(&mut self.after_field);
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let token = match first {
            '(' => self.take(1, Token::Open),
            ')' => self.take(1, Token::Close),
            '[' | '{' => self.bracketed(first == '[')?,
            '"' => self.quoted()?,
            _ if value => self.word()?,
            '-' => self.take(1, Token::Not("-")),
            '!' => self.take(1, Token::Not("!")),
            '+' => self.take(1, Token::Plus),
            '&' if self.rest.starts_with("&&") => self.take(2, Token::And),
            '|' if self.rest.starts_with("||") => self.take(2, Token::Or),
            _ => match self.field() {
                Some(name) => {
                    self.after_field = true;
                    Token::Field(name)
                }
                None => self.word()?,
            },
        };
        Ok(Some(token))
    }

    fn take(&mut self, bytes: usize, token: Token) -> Token {
        self.rest = &self.rest[bytes..];
        token
    }

    /// A name with a colon after it.
    fn field(&mut self) -> Option<String> {
        let (name, rest) = self.rest.split_once(':')?;
        let is_name = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.'));
        if !is_name && name != "*" {
            return None;
        }
        self.rest = rest;
        Some(name.to_owned())
    }

    fn word(&mut self) -> Result<Token, QError> {
        let (mut pieces, mut piece) = (Vec::new(), String::new());
        let (mut question_mark, mut fuzzy) = (false, false);
        let mut chars = self.rest.char_indices();
        let end = loop {
            let Some((at, char)) = chars.next() else { break self.rest.len() };
            match char {
                '\\' => piece.extend(chars.next().map(|(_, escaped)| escaped)),
                '*' => pieces.push(std::mem::take(&mut piece)),
                '(' | ')' | '[' | ']' | '{' | '}' | '"' if at > 0 => break at,
                // A closing bracket that nothing opened.
                ']' | '}' => {
                    return Err(QError::Unexpected {
                        found: char.to_string(),
                        expected: "a term such as type:sslo",
                    });
                }
                _ if char.is_whitespace() => break at,
                _ => {
                    question_mark |= char == '?';
                    fuzzy |= matches!(char, '~' | '^');
                    piece.push(char);
                }
            }
        };
        pieces.push(piece);
        let (written, rest) = self.rest.split_at(end);
        let written = written.to_owned();
        self.rest = rest;
        match written.as_str() {
            "AND" => return Ok(Token::And),
            "OR" => return Ok(Token::Or),
            "NOT" => return Ok(Token::Not("NOT")),
            _ => {}
        }
        if question_mark {
            return Err(QError::QuestionMark(written));
        }
        if fuzzy {
            return Err(QError::Fuzzy(written));
        }
        if pieces.len() > super::MAX_WILDCARDS + 1 {
            return Err(QError::Wildcards(written));
        }
        Ok(Token::Word(Word { written, pieces }))
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
        Ok(Token::Range(Range { including_from, text: inside[..end].trim().to_owned(), including_to }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Token> {
        let mut tokens = Tokens::of(text);
        std::iter::from_fn(|| tokens.next().unwrap()).collect()
    }

    fn word(written: &str, pieces: &[&str]) -> Token {
        let pieces = pieces.iter().map(|&piece| piece.to_owned()).collect();
        Token::Word(Word { written: written.to_owned(), pieces })
    }

    #[test]
    fn a_field_is_a_name_and_what_follows_it_may_have_colons() {
        let field = |name: &str| Token::Field(name.to_owned());
        assert_eq!(all("client_id:a:b"), [field("client_id"), word("a:b", &["a:b"])]);
        assert_eq!(all("ip:::1"), [field("ip"), word("::1", &["::1"])]);
        assert_eq!(all("2026-01-01T10:00"), [word("2026-01-01T10:00", &["2026-01-01T10:00"])]);
        assert_eq!(all("ip:(a OR b:c)").len(), 7);
        assert_eq!(all("user_id:-x"), [field("user_id"), word("-x", &["-x"])]);
    }

    #[test]
    fn a_backslash_takes_a_meaning_away() {
        assert_eq!(all(r"a\*b*"), [word(r"a\*b*", &["a*b", ""])]);
        assert_eq!(all(r"auth0\|a\ b"), [word(r"auth0\|a\ b", &["auth0|a b"])]);
        assert_eq!(all(r"\AND"), [word(r"\AND", &["AND"])]);
        assert_eq!(all(r#""a\"b""#), [Token::Quoted("a\"b".to_owned())]);
    }
}
