//! Batches: no more than [`MAX_BATCH`] events are kept, however many the body has.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::envelope::structured;
use super::json_text::{checked, typed};
use super::{FieldError, MAX_BATCH};
use crate::domain::event::Event;

/// Parses a batch.
pub(super) fn parse_batch(body: &[u8]) -> Result<Vec<Event>, FieldError> {
    let text = checked(body)?;
    if !text.starts_with('[') {
        return Err(FieldError::new("", "the body must be a JSON array of events"));
    }
    let Batch { events, count } = typed(text)?;
    if count > MAX_BATCH {
        let message = format!("a batch must have at most {MAX_BATCH} events, and this one has {count}");
        return Err(FieldError::new("", message));
    }
    let parse =
        |(index, event): (usize, &RawValue)| structured(event.get()).map_err(|error| error.at_index(index));
    events.into_iter().enumerate().map(parse).collect()
}

/// The unparsed events of a batch.
struct Batch<'a> {
    /// The first [`MAX_BATCH`] of them.
    events: Vec<&'a RawValue>,
    /// How many there are.
    count: usize,
}

impl<'de> Deserialize<'de> for Batch<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BatchVisitor)
    }
}

struct BatchVisitor;

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Batch<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Batch<'de>, A::Error> {
        let mut events = Vec::new();
        while events.len() < MAX_BATCH {
            let Some(event) = list.next_element()? else { break };
            events.push(event);
        }
        let mut count = events.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Batch { events, count })
    }
}
