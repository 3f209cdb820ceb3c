//! Errors of a configuration, with their places.

use std::fmt;
use std::path::PathBuf;

use crate::printable;

/// Where in the configuration something was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A position in the file.
    At {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// This environment variable.
    Variable(String),
}

/// An error of the configuration. It is displayed as `config.toml:12:8: delivery.timeout: must be …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The configuration file, as it was named.
    pub file: PathBuf,
    /// Where it is.
    pub place: Place,
    /// The key, such as `clients[1].token.ttl`; empty if there is none.
    pub key: String,
    /// What is wrong, and what would be right. It never has a secret in it.
    pub message: String,
}

impl Problem {
    /// The place: `config.toml:12:8`, which editors can open, or the variable's name.
    pub fn location(&self) -> String {
        match &self.place {
            Place::File => self.file.display().to_string(),
            Place::At { line, column } => format!("{}:{line}:{column}", self.file.display()),
            Place::Variable(name) => name.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable::text(&self.location()))?;
        if !self.key.is_empty() {
            write!(f, ": {}", printable::text(&self.key))?;
        }
        write!(f, ": {}", printable::text(&self.message))
    }
}

/// All errors of a configuration, in the order of the file. They are displayed on a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<Problem>);

impl ConfigErrors {
    /// `Ok` if there are no problems.
    pub fn check(mut problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        Err(Self(problems))
    }

    /// The problems; at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl From<Problem> for ConfigErrors {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
