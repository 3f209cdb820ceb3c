//! How terms are joined.

use super::terms::{self, Field};
use super::tokens::{Token, Tokens};
use super::{Language, MAX_DEPTH, MAX_TERMS, QError};
use crate::domain::log::LogSearch;

const A_TERM: &str = "a term such as type:sslo";

pub(super) fn parse(text: &str, language: Language) -> Result<LogSearch, QError> {
    let mut parser = Parser { tokens: Tokens::of(text), language, terms: 0 };
    let search = parser.list(None, 0)?;
    match parser.tokens.next()? {
        None => Ok(search),
        Some(found) => Err(QError::Unexpected { found: found.to_string(), expected: A_TERM }),
    }
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    language: Language,
    /// How many there were.
    terms: usize,
}

/// A part of a query, and whether it has to hold.
struct Clause {
    occurs: Occurs,
    search: LogSearch,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Occurs {
    Should,
    Must,
    Never,
}

impl Clause {
    /// As an operand of AND or OR.
    fn into_search(self) -> LogSearch {
        match self.occurs {
            Occurs::Never => LogSearch::Not(Box::new(self.search)),
            Occurs::Should | Occurs::Must => self.search,
        }
    }
}

impl Parser<'_> {
    /// Clauses without an operator between them; `field`: what the values in it are of.
    fn list(&mut self, field: Option<&Field>, depth: u32) -> Result<LogSearch, QError> {
        if depth > MAX_DEPTH {
            return Err(QError::TooDeep);
        }
        let (mut should, mut must) = (Vec::new(), Vec::new());
        loop {
            let clause = self.disjunction(field, depth)?;
            match clause.occurs {
                Occurs::Should if self.language == Language::Query => should.push(clause.search),
                _ => must.push(clause.into_search()),
            }
            if matches!(self.tokens.peek()?, None | Some(Token::Close)) {
                break;
            }
        }
        let has_to = must.iter().any(|it| !matches!(it, LogSearch::Not(_)));
        // What only may hold does not matter where something has to.
        if !has_to && !should.is_empty() {
            must.push(one_or(should, LogSearch::Any));
        }
        Ok(one_or(must, LogSearch::All))
    }

    fn disjunction(&mut self, field: Option<&Field>, depth: u32) -> Result<Clause, QError> {
        self.joined(&Token::Or, LogSearch::Any, |it| it.conjunction(field, depth))
    }

    fn conjunction(&mut self, field: Option<&Field>, depth: u32) -> Result<Clause, QError> {
        self.joined(&Token::And, LogSearch::All, |it| it.unary(field, depth))
    }

    fn joined(
        &mut self,
        by: &Token,
        join: fn(Vec<LogSearch>) -> LogSearch,
        mut part: impl FnMut(&mut Self) -> Result<Clause, QError>,
    ) -> Result<Clause, QError> {
        let first = part(self)?;
        if self.tokens.peek()? != Some(by) {
            return Ok(first);
        }
        let mut parts = vec![first.into_search()];
        while self.tokens.peek()? == Some(by) {
            self.tokens.next()?;
            parts.push(part(self)?.into_search());
        }
        Ok(Clause { occurs: Occurs::Should, search: join(parts) })
    }

    fn unary(&mut self, field: Option<&Field>, depth: u32) -> Result<Clause, QError> {
        if depth > MAX_DEPTH {
            return Err(QError::TooDeep);
        }
        let occurs = match self.tokens.peek()? {
            Some(Token::Not(_)) => Occurs::Never,
            Some(Token::Plus) => Occurs::Must,
            _ => return Ok(Clause { occurs: Occurs::Should, search: self.term(field, depth)? }),
        };
        self.tokens.next()?;
        let inner = self.unary(field, depth + 1)?;
        Ok(match (occurs, inner.occurs) {
            (Occurs::Never, Occurs::Never) => Clause { occurs: Occurs::Must, search: inner.search },
            (Occurs::Never, _) | (_, Occurs::Never) => Clause { occurs: Occurs::Never, search: inner.search },
            _ => Clause { occurs: Occurs::Must, search: inner.search },
        })
    }

    fn term(&mut self, field: Option<&Field>, depth: u32) -> Result<LogSearch, QError> {
        match self.tokens.next()? {
            Some(Token::Field(name)) => {
                let field = Field::named(&name, self.language)?;
                let value = self.tokens.next()?;
                self.value(Some(&field), value, depth, "a value")
            }
            token => self.value(field, token, depth, A_TERM),
        }
    }

    fn value(
        &mut self,
        field: Option<&Field>,
        token: Option<Token>,
        depth: u32,
        expected: &'static str,
    ) -> Result<LogSearch, QError> {
        let unexpected = |found: &Token| QError::Unexpected { found: found.to_string(), expected };
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(QError::TooManyTerms);
        }
        match (token.ok_or(QError::End(expected))?, field) {
            (Token::Open, _) => {
                // Its terms count, and it does not.
                self.terms -= 1;
                let search = self.list(field, depth + 1)?;
                match self.tokens.next()? {
                    Some(Token::Close) => Ok(search),
                    None => Err(QError::End("`)`")),
                    Some(found) => Err(unexpected(&found)),
                }
            }
            (Token::Quoted(text), Some(field)) => field.is(text, self.language),
            (Token::Word(word), Some(field)) => field.like(word, self.language),
            (Token::Range(range), Some(field)) => field.between(&range),
            (Token::Quoted(text), None) => Ok(terms::bare_text(&text, self.language)),
            (Token::Word(word), None) => Ok(terms::bare_word(&word, self.language)),
            (found, _) => Err(unexpected(&found)),
        }
    }
}

/// The only one, or all of them joined.
fn one_or(mut parts: Vec<LogSearch>, join: fn(Vec<LogSearch>) -> LogSearch) -> LogSearch {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}
