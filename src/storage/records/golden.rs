//! Golden files: the stored form of each record, under `golden/`.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Compares the stored form of a record with `golden/<name>.snap`, and reads it back.
///
/// A difference means that rows change. Where that is meant, `INSTA_UPDATE=always` writes the file anew.
#[track_caller]
pub(super) fn round_trip<R: Serialize + DeserializeOwned>(name: &str, record: &R) -> R {
    let stored = serde_json::to_string(record).unwrap();
    insta::with_settings!(
        { snapshot_path => "golden", prepend_module_to_snapshot => false, omit_expression => true },
        { insta::assert_snapshot!(name, stored) }
    );
    serde_json::from_str(&stored).unwrap()
}
