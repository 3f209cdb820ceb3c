//! `[metadata]`: what session metadata may hold.

use crate::domain::metadata::sensitive::SensitivePolicy;

use super::reader::Section;
use super::source::{Parsed, Value};

/// `[metadata]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What is done about values that look like secrets or high-risk personal data; "warn" by default.
    pub sensitive: SensitivePolicy,
}

impl Metadata {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self { sensitive: section.optional("sensitive", policy).unwrap_or_default() }
    }
}

fn policy(value: &Value) -> Parsed<SensitivePolicy> {
    let text = value.text()?;
    SensitivePolicy::ALL
        .into_iter()
        .find(|policy| policy.as_str() == text)
        .ok_or_else(|| "must be \"warn\", \"reject\" or \"off\"".to_owned())
}
