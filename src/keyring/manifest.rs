//! `keyring.json`: the times of every key. No secret is in it; people may read it, and edit it with care.

use serde::{Deserialize, Serialize};

use super::error::KeyringError;
use super::folder::Folder;
use super::schedule::Schedule;

/// Its name, which no key can have: `.json` files are private JWKs otherwise.
pub(super) const FILE_NAME: &str = "keyring.json";

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    keys: Schedule,
}

/// The content of the file; `None` if there is none.
pub(super) fn read(folder: &Folder) -> Result<Option<Schedule>, KeyringError> {
    let path = folder.path().join(FILE_NAME);
    let Some(text) = folder.read_manifest(&path)? else { return Ok(None) };
    let document: Document = serde_json::from_slice(&text)
        .map_err(|error| KeyringError::Manifest { path: path.clone(), reason: error.to_string() })?;
    if document.version != VERSION {
        let reason = format!("its version is {}, and this logoutd reads {VERSION}", document.version);
        return Err(KeyringError::Manifest { path, reason });
    }
    Ok(Some(document.keys))
}

/// Replaces the file.
pub(super) fn write(folder: &Folder, schedule: &Schedule) -> Result<(), KeyringError> {
    let document = Document { version: VERSION, keys: schedule.clone() };
    let mut text = serde_json::to_string_pretty(&document).map_err(|error| KeyringError::Manifest {
        path: folder.path().join(FILE_NAME),
        reason: error.to_string(),
    })?;
    text.push('\n');
    folder.write(FILE_NAME, text.as_bytes())?;
    Ok(())
}
