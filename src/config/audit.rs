//! `[audit]`: what the audit trail says.

use super::reader::Section;
use super::source::Value;

/// `[audit]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Whether entries name the user they are about, by the `sub`, and can be searched by it; false by default.
    pub subjects: bool,
}

impl Audit {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self { subjects: section.optional("subjects", Value::boolean).unwrap_or(false) }
    }
}
