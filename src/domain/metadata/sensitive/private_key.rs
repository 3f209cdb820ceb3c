//! Private keys: armoured text by its first line, and JWKs.
//!
//! The first line is enough: a value has at most 255 characters, so the rest of a key is cut off or spread
//! over other entries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;

/// How many characters after `BEGIN ` the words `PRIVATE KEY` end at the latest (`SSH2 ENCRYPTED PRIVATE KEY`).
const LABEL_CHARS: usize = 40;

/// `-----BEGIN ` in base64, as far as what follows does not change it. Secrets are passed around so.
const ENCODED_BEGIN: &str = "LS0tLS1CRUdJTi";

pub(super) fn is_in(text: &str) -> bool {
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
        // Whole groups of four only: the text may be cut off anywhere.
        let code: String = text[at..].chars().take_while(char::is_ascii_alphanumeric).take(64).collect();
        let whole = &code[..code.len() / 4 * 4];
        STANDARD_NO_PAD.decode(whole).is_ok_and(|bytes| is_armoured(&String::from_utf8_lossy(&bytes)))
    })
}

fn is_other_format(text: &str) -> bool {
    text.contains("PuTTY-User-Key-File-")
        || text.split("AGE-SECRET-KEY-1").skip(1).any(|rest| {
            // Bech32 without its separator: 32 bytes and a checksum.
            rest.chars().take_while(char::is_ascii_alphanumeric).count() >= 58
        })
}

/// A JWK (RFC 7517) with the private member of its kind, or a set with such a one.
fn is_jwk(text: &str) -> bool {
    // Metadata is seldom JSON: not every value is to be parsed.
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
