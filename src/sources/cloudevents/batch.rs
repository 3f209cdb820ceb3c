//! The events of a batch, as they are written: no more of them than are wanted, however many there are.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::MAX_BATCH;

/// The events of a batch.
pub(super) struct Batch<'a> {
    /// The first [`MAX_BATCH`] of them.
    pub(super) events: Vec<&'a RawValue>,
    /// How many there are.
    pub(super) count: usize,
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
