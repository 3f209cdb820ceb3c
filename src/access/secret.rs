//! The secrets of API tokens: how they are made, recognised and hashed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::domain::access::TokenHash;
use crate::entropy::Entropy;

/// What every API token begins with, so that people and scanners of leaked secrets know one when they see it.
const PREFIX: &str = "logoutd_";

/// How many random bytes a secret has: 256 bits cannot be guessed, so that one round of SHA-256 is enough to
/// store them by.
const SECRET_BYTES: usize = 32;

/// How many characters these are in base64url.
const SECRET_CHARS: usize = 43;

/// Draws the secret of a new token.
pub fn generate(entropy: &dyn Entropy) -> SecretString {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    entropy.fill(&mut *bytes);
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
    SecretString::from(format!("{PREFIX}{}", *text))
}

/// What is stored of a token, and looked up by.
pub fn hash(token: &str) -> TokenHash {
    let digest = digest(&SHA256, token.as_bytes());
    TokenHash(digest.as_ref().try_into().expect("a SHA-256 is 32 bytes long"))
}

/// Whether it can be the secret of an API token at all: the store is asked for nothing else.
pub(super) fn is_api_token(token: &str) -> bool {
    token.strip_prefix(PREFIX).is_some_and(|secret| {
        secret.len() == SECRET_CHARS
            && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn what_is_made_is_recognised() {
        let (one, two) = (generate(&SystemEntropy::new()), generate(&SystemEntropy::new()));
        let (one, two) = (one.expose_secret(), two.expose_secret());
        assert!(is_api_token(one) && is_api_token(two), "{one} {two}");
        assert!(!hash(one).matches(&hash(two)));
        assert!(hash(one).matches(&hash(one)));
        for wrong in ["", "logoutd_", "logoutd_abc", &one[1..], &format!("{one}A"), &one.replace('_', ".")] {
            assert!(!is_api_token(wrong), "{wrong}");
        }
    }
}
