//! Private keys: ASCII-armoured keys, recognised by their first line, and JWKs.
//!
//! The first line has to suffice: a value has at most 255 characters, so the rest of a key is cut off or spread over
//! other entries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;

/// The number of characters after `BEGIN ` that are searched for `PRIVATE KEY` (`SSH2 ENCRYPTED PRIVATE KEY`).
const LABEL_CHARS: usize = 40;

/// The base64 of `-----BEGIN `, without its last character, which depends on what follows. Keys in environment
/// variables and secret stores are often encoded like this.
const ENCODED_BEGIN: &str = "LS0tLS1CRUdJTi";

pub(super) fn found_in(text: &str) -> bool {
    is_armoured(text) || is_encoded(text) || is_other_format(text) || is_jwk(text)
}

/// PEM (RFC 7468) of any kind, OpenSSH, SSH2 and PGP: `-----BEGIN … PRIVATE KEY`.
fn is_armoured(text: &str) -> bool {
    text.match_indices("BEGIN ").any(|(at, begin)| {
        let label: String = text[at + begin.len()..].chars().take(LABEL_CHARS).collect();
        let label = label.split("--").next().unwrap_or_default();
        text[..at].trim_end().ends_with("--") && label.contains("PRIVATE KEY")
    })
}

fn is_encoded(text: &str) -> bool {
    text.match_indices(ENCODED_BEGIN).any(|(at, _)| {
        // Only complete groups of four characters can be decoded, and the text may be cut off anywhere.
        let code: String = text[at..].chars().take_while(char::is_ascii_alphanumeric).take(64).collect();
        let whole = &code[..code.len() / 4 * 4];
        STANDARD_NO_PAD.decode(whole).is_ok_and(|bytes| is_armoured(&String::from_utf8_lossy(&bytes)))
    })
}

fn is_other_format(text: &str) -> bool {
    text.contains("PuTTY-User-Key-File-")
        || text.split("AGE-SECRET-KEY-1").skip(1).any(|rest| {
            // Bech32 data after its separator: 32 bytes and a checksum.
            rest.chars().take_while(char::is_ascii_alphanumeric).count() >= 58
        })
}

/// A JWK (RFC 7517) with its private parameter, or a JWK set that contains one.
fn is_jwk(text: &str) -> bool {
    // A cheap check first: metadata is rarely JSON.
    if !text.contains("\"kty\"") {
        return false;
    }
    let Some((first, last)) = text.find('{').zip(text.rfind('}')) else { return false };
    let Some(Ok(value)) = text.get(first..=last).map(serde_json::from_str::<Value>) else { return false };
    match value.get("keys").and_then(Value::as_array) {
        Some(keys) => keys.iter().any(is_private_jwk),
        None => is_private_jwk(&value),
    }
}

fn is_private_jwk(jwk: &Value) -> bool {
    let has = |member: &str| jwk.get(member).is_some_and(Value::is_string);
    match jwk.get("kty").and_then(Value::as_str) {
        Some("oct") => has("k"),
        Some(_) => has("d"),
        None => false,
    }
}
