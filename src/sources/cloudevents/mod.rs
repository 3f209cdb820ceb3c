//! CloudEvents 1.0 over HTTP, as `POST /events` accepts them: structured, batched and binary.
//!
//! It parses the wire form, and renders why intake rejected an event as a [`FieldError`] with its path in that form. What
//! follows from an event is the planner's.

use crate::domain::event::Event;

mod batch;
mod binary;
mod data;
mod details;
mod envelope;
mod field_error;
mod json_text;
mod mode;
mod named_clients;
#[cfg(test)]
mod tests;

pub use field_error::FieldError;
pub use mode::Mode;

/// The most events in a batch.
pub const MAX_BATCH: usize = 1000;

/// Parses the events of a request. `headers` are all of its headers, with names in lower case. The error names the event
/// of a batch by its index.
pub fn parse<'h>(
    mode: Mode,
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    body: &[u8],
) -> Result<Vec<Event>, FieldError> {
    match mode {
        Mode::Structured => Ok(vec![parse_structured(body)?]),
        Mode::Batch => batch::parse_batch(body),
        Mode::Binary => Ok(vec![binary::parse_binary(headers, body)?]),
    }
}

/// Parses an event in structured mode.
pub fn parse_structured(body: &[u8]) -> Result<Event, FieldError> {
    envelope::structured(json_text::checked(body)?)
}
