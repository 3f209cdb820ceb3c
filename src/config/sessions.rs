//! `[sessions]`: lifetimes of sessions for which the OP reports none.

use std::time::Duration;

use crate::domain::session::Lifetimes;

use super::duration::at_most;
use super::reader::Section;

/// The longest lifetime: ten years.
const MAX_LIFETIME: Duration = Duration::from_hours(24 * 3650);

/// `[sessions]`. Both lifetimes are at most ten years. By default (`0`) there is none: sessions last until they are
/// ended, or until the times that the OP reports.
pub(super) fn read(section: &mut Section<'_>) -> Lifetimes {
    let mut lifetime = |key| {
        let lifetime = section.optional(key, at_most(MAX_LIFETIME)).unwrap_or_default();
        (!lifetime.is_zero()).then_some(lifetime)
    };
    Lifetimes { absolute: lifetime("absolute_lifetime"), idle: lifetime("idle_lifetime") }
}
