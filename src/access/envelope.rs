//! An API token's secret in the form of a JWT, which some tools take nothing but for a bearer token (the Auth0 CLI).
//!
//! It is no second token: the secret stands where a JWT has its signature, and that is all that counts. So it lives
//! exactly as long as the API token, is revoked with it, and there is no key that could make one. What the claims say
//! is for whoever holds it, and is not looked at.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use super::secret::is_api_token;
use crate::domain::access::ApiToken;

/// The secret of this API token as a bearer token, of which it is said that it was issued now and lives until then.
///
/// `alg` is one that a verifier fails to verify, having no key. `none`, which one may let pass, would be wrong: there
/// is a third part.
pub(super) fn wrap(token: &ApiToken, secret: &str, now: Timestamp, until: Timestamp) -> SecretString {
    let encoded = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encoded(json!({"alg": "HS256", "typ": "at+jwt"}));
    let claims = encoded(json!({
        "sub": token.id,
        "client_id": token.id,
        "scope": token.scopes.to_string(),
        "iat": now.as_second(),
        "exp": until.as_second(),
    }));
    SecretString::from(format!("{header}.{claims}.{secret}"))
}

/// The secret in a bearer token of this form; any other token is as it is.
pub(super) fn secret_of(token: &str) -> &str {
    match token.split('.').collect::<Vec<_>>()[..] {
        [_, _, secret] if is_api_token(secret) => secret,
        _ => token,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_api_tokens_secret_in_the_third_of_three_parts_counts() {
        let secret = format!("logoutd_{}", "A".repeat(43));
        assert_eq!(secret_of(&format!("a.b.{secret}")), secret);
        assert_eq!(secret_of(&format!("..{secret}")), secret);
        for token in [
            secret.clone(),
            format!("a.{secret}"),
            format!("a.b.c.{secret}"),
            format!("a.{secret}.b"),
            "a.b.c".to_owned(),
            String::new(),
        ] {
            assert_eq!(secret_of(&token), token);
        }
    }
}
