//! Input of commands: files or standard input.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use crate::files::FileError;
use crate::json;

/// The largest input, in bytes; well above the limits of the service.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The content of a file; `-` is standard input. A pipe is read to its end without a time limit: the user can interrupt the
/// command.
pub(super) fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().take(MAX_BYTES + 1).read_to_end(&mut body)?;
    } else {
        File::open(file)?.take(MAX_BYTES + 1).read_to_end(&mut body)?;
    }
    if body.len() as u64 > MAX_BYTES {
        return Err(FileError::TooLarge(MAX_BYTES).into());
    }
    Ok(body)
}

/// Reads a JSON object from a file.
pub(super) fn read_object(file: &Path) -> anyhow::Result<Map<String, Value>> {
    let body = read(file).with_context(|| format!("cannot read {}", file.display()))?;
    match serde_json::from_slice(&body) {
        // Parsing drops repeated members, so the service could not report them.
        Ok(Value::Object(members)) => match json::check(&body) {
            Ok(()) => Ok(members),
            Err(fault) => bail!("{}: {fault}", file.display()),
        },
        Ok(_) => bail!("{} must contain a JSON object", file.display()),
        Err(error) => bail!("{} is not valid JSON: {error}", file.display()),
    }
}
