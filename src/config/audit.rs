//! `[audit]`: what the audit trail records.

use super::reader::Section;
use super::source::Value;

/// `[audit]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Whether entries have the `sub` of the user concerned, and can be searched by it; false by default.
    pub subjects: bool,
}

impl Audit {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self { subjects: section.optional("subjects", Value::boolean).unwrap_or(false) }
    }
}
