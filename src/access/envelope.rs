//! An API token's secret in the form of a JWT, for tools that accept only JWTs as bearer tokens (the Auth0 CLI).
//!
//! This is not another kind of token: the secret takes the place of the signature, and it alone is checked. So the JWT
//! is valid exactly as long as the API token, is revoked with it, and no key can forge one. The claims inform the
//! client and are not read here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use super::secret::is_api_token;
use crate::domain::access::ApiToken;

/// Wraps an API token's secret in a JWT with `iat` = `now` and `exp` = `until`.
///
/// `alg` is one that other verifiers fail to verify, having no key. `none` would be wrong, since there is a third part,
/// and a careless verifier might accept it.
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

/// The secret in a bearer token of this form; any other token is returned unchanged.
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
    fn only_an_api_tokens_secret_in_the_third_of_three_parts_is_unwrapped() {
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
