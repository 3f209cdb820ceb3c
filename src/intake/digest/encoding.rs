//! The encoding of values for a digest: each with its kind and length, so that no two values have the same encoding.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Builds a map from names to encoded values. The order of insertion does not matter.
#[derive(Default)]
pub(super) struct Members(BTreeMap<String, Vec<u8>>);

impl Members {
    /// Adds a value.
    pub(super) fn put(&mut self, name: &str, value: Vec<u8>) {
        self.0.insert(name.to_owned(), value);
    }

    /// Adds a value if there is one.
    pub(super) fn put_some(&mut self, name: &str, value: Option<Vec<u8>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The map as a value.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = counted(b'm', self.0.len());
        for (name, value) in &self.0 {
            bytes.extend(text(name));
            bytes.extend(value);
        }
        bytes
    }
}

pub(super) fn text(text: &str) -> Vec<u8> {
    let mut bytes = counted(b's', text.len());
    bytes.extend(text.as_bytes());
    bytes
}

pub(super) fn time(time: Timestamp) -> Vec<u8> {
    let mut bytes = vec![b't'];
    bytes.extend(time.as_second().to_be_bytes());
    bytes.extend(time.subsec_nanosecond().to_be_bytes());
    bytes
}

pub(super) fn nothing() -> Vec<u8> {
    vec![b'n']
}

pub(super) fn list(items: impl ExactSizeIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = counted(b'l', items.len());
    items.for_each(|item| bytes.extend(item));
    bytes
}

fn counted(kind: u8, count: usize) -> Vec<u8> {
    // A body has at most a mebibyte.
    let count = u32::try_from(count).expect("nothing in a body has more than 2^32 parts");
    let mut bytes = vec![kind];
    bytes.extend(count.to_be_bytes());
    bytes
}
