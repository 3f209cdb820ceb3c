//! What a command reads: files, or standard input.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use crate::json;

/// The whole of a file; `-` is standard input.
pub(super) fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body)?;
        return Ok(body);
    }
    std::fs::read(file)
}

/// A JSON object in a file.
pub(super) fn read_object(file: &Path) -> anyhow::Result<Map<String, Value>> {
    let body = read(file).with_context(|| format!("cannot read {}", file.display()))?;
    // What is sent on is what was read: of a member given twice, the service would see one only.
    if let Err(fault @ json::Fault::Repeated { .. }) = json::check(&body) {
        bail!("{}: {fault}", file.display());
    }
    match serde_json::from_slice(&body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => bail!("{} must hold a JSON object", file.display()),
        Err(error) => bail!("{} is not valid JSON: {error}", file.display()),
    }
}
