//! Session metadata: up to 25 key–value pairs that the OP sets on a session, with Auth0's limits and messages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

pub mod sensitive;

/// The maximum number of entries.
pub const MAX_ENTRIES: usize = 25;
/// The longest key and the longest value, in characters.
pub const MAX_CHARS: usize = 255;

/// Why metadata is rejected. The messages are Auth0's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// More than [`MAX_ENTRIES`] entries, or a key or value of more than [`MAX_CHARS`] characters.
    #[error("Metadata must not exceed 25 entries. Each key and value must be ≤ 255 characters.")]
    TooLarge,
    /// An empty key, or one with a character that is not allowed.
    #[error("Metadata keys may only include letters, numbers, underscores, or hyphens")]
    Key,
}

/// A session's metadata. Values may be personal data: `Debug` shows keys only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct SessionMetadata(BTreeMap<String, String>);

impl SessionMetadata {
    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries by key.
    pub fn entries(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The part that a client with this choice receives.
    #[must_use]
    pub fn chosen(&self, choice: &MetadataChoice) -> Self {
        match choice {
            MetadataChoice::None => Self::default(),
            MetadataChoice::All => self.clone(),
            MetadataChoice::Keys(keys) => Self(
                self.0
                    .iter()
                    .filter(|(key, _)| keys.contains(key.as_str()))
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
            ),
        }
    }
}

impl fmt::Debug for SessionMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl TryFrom<BTreeMap<String, String>> for SessionMetadata {
    type Error = MetadataError;

    fn try_from(entries: BTreeMap<String, String>) -> Result<Self, MetadataError> {
        if entries.len() > MAX_ENTRIES {
            return Err(MetadataError::TooLarge);
        }
        for (key, value) in &entries {
            check_key(key)?;
            if value.chars().count() > MAX_CHARS {
                return Err(MetadataError::TooLarge);
            }
        }
        Ok(Self(entries))
    }
}

impl From<SessionMetadata> for BTreeMap<String, String> {
    fn from(metadata: SessionMetadata) -> Self {
        metadata.0
    }
}

fn check_key(key: &str) -> Result<(), MetadataError> {
    if key.chars().count() > MAX_CHARS {
        return Err(MetadataError::TooLarge);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if key.is_empty() || !key.chars().all(allowed) {
        return Err(MetadataError::Key);
    }
    Ok(())
}

/// The session metadata that a client's logout tokens contain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "MetadataChoiceForm", try_from = "MetadataChoiceForm")]
pub enum MetadataChoice {
    /// None: the claim is omitted.
    #[default]
    None,
    /// All entries.
    All,
    /// Only these keys.
    Keys(BTreeSet<String>),
}

impl MetadataChoice {
    /// Selects these keys.
    ///
    /// # Errors
    /// If there are more than [`MAX_ENTRIES`] keys, or one is not a valid key.
    pub fn of_keys(keys: BTreeSet<String>) -> Result<Self, MetadataError> {
        if keys.len() > MAX_ENTRIES {
            return Err(MetadataError::TooLarge);
        }
        keys.iter().try_for_each(|key| check_key(key))?;
        Ok(Self::Keys(keys))
    }
}

/// How [`MetadataChoice`] is written: `false`, `true` or a list of keys.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "`session_metadata` must be true, false or a list of metadata keys")]
enum MetadataChoiceForm {
    Switch(bool),
    Keys(BTreeSet<String>),
}

impl TryFrom<MetadataChoiceForm> for MetadataChoice {
    type Error = MetadataError;

    fn try_from(form: MetadataChoiceForm) -> Result<Self, MetadataError> {
        match form {
            MetadataChoiceForm::Switch(false) => Ok(Self::None),
            MetadataChoiceForm::Switch(true) => Ok(Self::All),
            MetadataChoiceForm::Keys(keys) => Self::of_keys(keys),
        }
    }
}

impl From<MetadataChoice> for MetadataChoiceForm {
    fn from(choice: MetadataChoice) -> Self {
        match choice {
            MetadataChoice::None => Self::Switch(false),
            MetadataChoice::All => Self::Switch(true),
            MetadataChoice::Keys(keys) => Self::Keys(keys),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(n: usize) -> BTreeMap<String, String> {
        (0..n).map(|i| (format!("key-{i}"), "v".to_owned())).collect()
    }

    #[test]
    fn the_limits_are_inclusive() {
        assert!(SessionMetadata::try_from(pairs(25)).is_ok());
        assert_eq!(SessionMetadata::try_from(pairs(26)).unwrap_err(), MetadataError::TooLarge);
        for (key, value, expected) in [
            ("k".repeat(255), "v".repeat(255), None),
            ("k".repeat(256), String::new(), Some(MetadataError::TooLarge)),
            ("k".to_owned(), "v".repeat(256), Some(MetadataError::TooLarge)),
            ("a key".to_owned(), String::new(), Some(MetadataError::Key)),
            ("schlüssel".to_owned(), String::new(), Some(MetadataError::Key)),
            (String::new(), String::new(), Some(MetadataError::Key)),
            ("k".to_owned(), "ü".repeat(255), None),
        ] {
            assert_eq!(SessionMetadata::try_from(BTreeMap::from([(key, value)])).err(), expected);
        }
    }

    #[test]
    fn entries_are_unchanged() {
        let metadata = SessionMetadata::try_from(pairs(2)).unwrap();
        assert_eq!(BTreeMap::from(metadata), pairs(2));
    }

    proptest! {
        #[test]
        fn a_list_of_keys_selects_exactly_those(
            entries in prop::collection::btree_map("[a-e]{1,2}", ".{0,5}", 0..10),
            keys in prop::collection::btree_set("[a-e]{1,2}", 0..10),
        ) {
            let metadata = SessionMetadata::try_from(entries.clone()).unwrap();
            let shown = metadata.chosen(&MetadataChoice::Keys(keys.clone()));
            for (key, value) in &entries {
                prop_assert_eq!(shown.entries().get(key), keys.contains(key).then_some(value));
            }
            prop_assert!(shown.entries().keys().all(|key| entries.contains_key(key)));
        }

        #[test]
        fn debug_never_shows_a_value(value in "[0-9]{6,20}") {
            let metadata = SessionMetadata::try_from(BTreeMap::from([("k".to_owned(), value.clone())])).unwrap();
            let shown = format!("{metadata:?}");
            prop_assert!(!shown.contains(&value));
        }
    }
}
