//! An error with its causes, for the log: `the store is not available: disk full`.
//!
//! In one line and as text, because a log in JSON shows of an error only its first sentence.

use std::error::Error;
use std::fmt;

/// Shows an error and what caused it, each once.
pub struct Causes<'e>(pub &'e (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // Many errors repeat their cause in their own words.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);

    #[test]
    fn each_cause_is_said_once() {
        let disk = Layer("disk full", None);
        let database = Layer("database error: disk full", Some(Box::new(disk)));
        let store = Layer("the store is not available", Some(Box::new(database)));
        assert_eq!(Causes(&store).to_string(), "the store is not available: database error: disk full");
    }
}
