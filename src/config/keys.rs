//! `[keys]`: the signing keys and the times of their rotation. No key is read here.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::algorithm::{SigningAlg, UnknownAlg};
use crate::domain::duration::Human;

use super::duration::{DAY, at_most};
use super::reader::Section;
use super::source::{Parsed, Value};

/// The longest time in this section: ten years.
const MAX_AGE: Duration = Duration::from_hours(24 * 3650);

/// `[keys]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The directory of the private keys, relative to the working directory; "keys" by default.
    pub directory: PathBuf,
    /// The algorithms that always have an active key: at least one, each once. RS256 and ES256 by default.
    pub algorithms: Vec<SigningAlg>,
    /// How long a key signs before a new one takes over; 90 days by default, at most ten years. `None` (`0`)
    /// means that keys are rotated by hand only.
    pub rotate_every: Option<Duration>,
    /// How long a new key is in the JWKS before it signs; 24 hours by default, shorter than `rotate_every`.
    pub publish_before: Duration,
    /// How long a retired key stays in the JWKS; 24 hours by default, at most ten years.
    pub publish_after: Duration,
}

impl Keys {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let rotate_every = section.optional("rotate_every", at_most(MAX_AGE)).unwrap_or(90 * DAY);
        let keys = Self {
            directory: section.optional("directory", path).unwrap_or_else(|| PathBuf::from("keys")),
            algorithms: section
                .distinct("algorithms", algorithm)
                .unwrap_or_else(|| vec![SigningAlg::Rs256, SigningAlg::Es256]),
            rotate_every: (!rotate_every.is_zero()).then_some(rotate_every),
            publish_before: section.optional("publish_before", at_most(MAX_AGE)).unwrap_or(DAY),
            publish_after: section.optional("publish_after", at_most(MAX_AGE)).unwrap_or(DAY),
        };
        if keys.algorithms.is_empty() {
            section.problem("algorithms", "must name at least one signing algorithm, such as \"RS256\"");
        }
        if let Some(every) = keys.rotate_every
            && keys.publish_before >= every
        {
            let (before, every) = (Human(keys.publish_before), Human(every));
            section.problem(
                "rotate_every",
                format!("must be longer than keys.publish_before ({before}), and is {every}"),
            );
        }
        keys
    }
}

pub(super) fn algorithm(value: &Value) -> Parsed<SigningAlg> {
    value.text()?.parse().map_err(|error: UnknownAlg| error.to_string())
}

/// The path of a file or directory.
pub(super) fn path(value: &Value) -> Parsed<PathBuf> {
    let text = value.text()?;
    if text.is_empty() {
        return Err("must be a path, and is empty".to_owned());
    }
    Ok(PathBuf::from(text.as_ref()))
}
