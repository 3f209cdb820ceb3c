//! Bearer tokens: JWTs, recognised by their decoded header, and any token after `Bearer`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::words;

/// The minimum length of a token after `Bearer`, in characters, if it has both letters and digits; otherwise twice as
/// much, to exclude prose. (The token in RFC 6750's examples has 15 characters.)
const MIN_TOKEN_CHARS: usize = 15;

pub(super) fn found_in(text: &str) -> bool {
    words(text).any(is_jwt) || follows_bearer(text)
}

/// A JWS or JWE in compact form (RFC 7515 §7.1, RFC 7516 §7.1): the first part is a JSON object with `alg`.
fn is_jwt(word: &str) -> bool {
    // A JSON object begins with `{`, so its base64url begins with `e`.
    if !word.starts_with('e') {
        return false;
    }
    let parts: Vec<&str> = word.split('.').collect();
    match parts.as_slice() {
        // An unsecured JWT ends in `.`, which `words` has removed as punctuation.
        [header, payload] => has_alg(header) && object(payload).is_some(),
        [header, _, _] | [header, _, _, _, _] => has_alg(header),
        _ => false,
    }
}

fn has_alg(part: &str) -> bool {
    object(part).is_some_and(|header| header.get("alg").is_some_and(Value::is_string))
}

fn object(part: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

/// `Bearer` and a `token68` (RFC 9110 §11.2); the scheme is case-insensitive.
fn follows_bearer(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.match_indices("bearer ").any(|(at, scheme)| {
        let begins = !lower[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        let rest = text[at + scheme.len()..].trim_start();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-._~+/=".contains(c)));
        let token = &rest[..end.unwrap_or(rest.len())];
        let has = |test: fn(&u8) -> bool| token.as_bytes().iter().any(test);
        let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
        begins && token.len() >= if mixed { MIN_TOKEN_CHARS } else { 2 * MIN_TOKEN_CHARS }
    })
}
