//! What is wrong with a configuration, and where. Nothing here knows what the keys mean.

use std::fmt;
use std::path::PathBuf;

use crate::printable;

/// Where in the configuration something was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file, or missing from it, at no place in particular.
    File,
    /// At a position of the file.
    At {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// In this environment variable.
    Variable(String),
}

/// One thing that is wrong, as a person reads it: `config.toml:12:8: delivery.timeout: must be …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The configuration file, as it was named.
    pub file: PathBuf,
    /// Where the fault is.
    pub place: Place,
    /// The key, such as `clients[1].token.ttl`; empty if it is about none.
    pub key: String,
    /// What is wrong with it, and what would be right. Never a secret.
    pub message: String,
}

impl Problem {
    /// The place as editors and people take it: `config.toml:12:8`, or the variable's name.
    pub fn whereabouts(&self) -> String {
        match &self.place {
            Place::File => self.file.display().to_string(),
            Place::At { line, column } => format!("{}:{line}:{column}", self.file.display()),
            Place::Variable(name) => name.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable::text(&self.whereabouts()))?;
        if !self.key.is_empty() {
            write!(f, ": {}", printable::text(&self.key))?;
        }
        write!(f, ": {}", printable::text(&self.message))
    }
}

/// A configuration that cannot be used: every problem found, a line each, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<Problem>);

impl ConfigErrors {
    /// `Ok` where there are no problems.
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
