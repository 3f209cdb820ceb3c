//! The secrets of API tokens: generation, format and hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::domain::access::TokenHash;
use crate::entropy::Entropy;

/// The prefix of every API token, by which people and secret scanners recognise them.
const PREFIX: &str = "logoutd_";

/// The number of random bytes in a secret. 256 bits cannot be guessed, so a single SHA-256 suffices for storage; no
/// password hash is needed.
const SECRET_BYTES: usize = 32;

/// The length of [`SECRET_BYTES`] in base64url.
const SECRET_CHARS: usize = 43;

/// Generates the secret of a new token.
pub fn generate(entropy: &dyn Entropy) -> SecretString {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    entropy.fill(&mut *bytes);
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
    SecretString::from(format!("{PREFIX}{}", *text))
}

/// The hash by which a token is stored and looked up.
pub fn hash(token: &str) -> TokenHash {
    let digest = digest(&SHA256, token.as_bytes());
    TokenHash(digest.as_ref().try_into().expect("a SHA-256 is 32 bytes long"))
}

/// Whether the text has the format of an API token's secret. Only such texts are looked up in the store.
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
    fn generated_secrets_are_recognised() {
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
