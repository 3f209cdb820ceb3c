//! An error with its causes, for the log: `the store is not available: disk full`.
//!
//! As one line of text, because an error field of the JSON log shows only the outermost error.

use std::error::Error;
use std::fmt;

/// Displays an error and its chain of sources, each once.
pub struct Causes<'e>(pub &'e (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.to_string();
        f.write_str(&shown)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // Many errors include their source in their own text.
            if !shown.contains(&text) {
                write!(f, ": {text}")?;
                shown = text;
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
    fn each_cause_is_shown_once() {
        let disk = Layer("disk full", None);
        let database = Layer("database error: disk full", Some(Box::new(disk)));
        let store = Layer("the store is not available", Some(Box::new(database)));
        assert_eq!(Causes(&store).to_string(), "the store is not available: database error: disk full");
    }
}
