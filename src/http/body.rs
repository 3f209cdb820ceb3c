//! JSON bodies, with errors that name the member.

use serde::de::DeserializeOwned;

use super::error::ApiError;

/// Reads a JSON body.
pub(super) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        ApiError::invalid_body(&path, &error.into_inner().to_string())
    })?;
    deserializer.end().map_err(|error| ApiError::invalid_body("", &error.to_string()))?;
    Ok(value)
}
