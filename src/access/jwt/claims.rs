//! Validation of an access token's claims.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::access::Grant;
use crate::domain::access::{Caller, ScopeSet, SourceLimit};

/// The tolerated difference between the issuer's clock and ours.
const LEEWAY: Duration = Duration::from_secs(30);

/// The unvalidated claims. Each is checked separately, so that an error can name it.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Claims(Map<String, Value>);

/// The expected claims.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) issuer: String,
    pub(super) audience: Vec<String>,
    pub(super) scope_claims: Vec<String>,
}

/// Why claims are rejected. Contains no value of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ClaimsError {
    #[error("iss is not the configured issuer")]
    Issuer,
    #[error("aud does not contain the configured audience")]
    Audience,
    #[error("exp is missing or not a number")]
    NoExpiry,
    #[error("exp has passed")]
    Expired,
    #[error("nbf is in the future or not a number")]
    NotYetValid,
    #[error("sub and client_id (or azp) are both missing, or one is not a valid identifier")]
    NoCaller,
}

impl Rules {
    /// Validates the claims and returns the caller with its scopes.
    pub(super) fn grant(&self, claims: &Claims, now: Timestamp) -> Result<Grant, ClaimsError> {
        if claims.text("iss") != Some(self.issuer.as_str()) {
            return Err(ClaimsError::Issuer);
        }
        if !claims.texts("aud").any(|aud| self.audience.iter().any(|expected| expected == aud)) {
            return Err(ClaimsError::Audience);
        }
        claims.check_times(now)?;
        Ok(Grant { caller: claims.caller()?, scopes: self.scopes(claims), sources: SourceLimit::Any })
    }

    fn scopes(&self, claims: &Claims) -> ScopeSet {
        let of = |name: &String| {
            let texts = claims.texts(name).flat_map(str::split_ascii_whitespace);
            ScopeSet::known_among(texts)
        };
        self.scope_claims.iter().map(of).fold(ScopeSet::default(), ScopeSet::union)
    }
}

impl Claims {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// The strings of a claim whose value is a string or an array of strings.
    fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let (one, list) = match self.0.get(name) {
            Some(Value::Array(items)) => (None, items.as_slice()),
            Some(value) => (value.as_str(), [].as_slice()),
            None => (None, [].as_slice()),
        };
        one.into_iter().chain(list.iter().filter_map(Value::as_str))
    }

    /// `exp` is required, `nbf` is not (RFC 7519 §4.1.4 and §4.1.5; fractions of seconds are allowed, §2).
    fn check_times(&self, now: Timestamp) -> Result<(), ClaimsError> {
        let seconds = now.as_duration().as_secs_f64();
        let exp = self.0.get("exp").and_then(Value::as_f64).ok_or(ClaimsError::NoExpiry)?;
        if exp + LEEWAY.as_secs_f64() <= seconds {
            return Err(ClaimsError::Expired);
        }
        match self.0.get("nbf").map(Value::as_f64) {
            Some(Some(nbf)) if nbf <= seconds + LEEWAY.as_secs_f64() => Ok(()),
            Some(_) => Err(ClaimsError::NotYetValid),
            None => Ok(()),
        }
    }

    fn caller(&self) -> Result<Caller, ClaimsError> {
        let subject = self.text("sub").map(str::parse).transpose().map_err(|_| ClaimsError::NoCaller)?;
        let client = self.text("client_id").or_else(|| self.text("azp"));
        let client = client.map(str::parse).transpose().map_err(|_| ClaimsError::NoCaller)?;
        if subject.is_none() && client.is_none() {
            return Err(ClaimsError::NoCaller);
        }
        Ok(Caller::Jwt { subject, client })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_767_323_045;

    fn rules() -> Rules {
        let text = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Rules {
            issuer: "https://idp.example.com/".to_owned(),
            audience: text(&["https://logoutd.example.com"]),
            scope_claims: text(&["scope", "permissions"]),
        }
    }

    fn grant(changes: &Value) -> Result<Grant, ClaimsError> {
        let mut claims = json!({
            "iss": "https://idp.example.com/", "aud": "https://logoutd.example.com", "exp": NOW + 60,
            "sub": "auth0|alice", "scope": "openid read:logs",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let claims = serde_json::from_value(claims).unwrap();
        rules().grant(&claims, Timestamp::from_second(NOW).unwrap())
    }

    #[test]
    fn claims_are_validated() {
        for (changes, fault) in [
            (json!({}), None),
            (json!({"aud": ["https://other.example.com", "https://logoutd.example.com"]}), None),
            (json!({"exp": NOW - 29}), None),
            (json!({"exp": 1e300}), None),
            (json!({"nbf": NOW + 30}), None),
            (json!({"nbf": 1_767_323_044.5}), None),
            (json!({"sub": null, "azp": "a-client"}), None),
            (json!({"iss": "https://idp.example.com"}), Some(ClaimsError::Issuer)),
            (json!({"iss": ["https://idp.example.com/"]}), Some(ClaimsError::Issuer)),
            (json!({"iss": null}), Some(ClaimsError::Issuer)),
            (json!({"aud": "https://logoutd.example.com/"}), Some(ClaimsError::Audience)),
            (json!({"aud": []}), Some(ClaimsError::Audience)),
            (json!({"aud": null}), Some(ClaimsError::Audience)),
            (json!({"aud": {"https://logoutd.example.com": true}}), Some(ClaimsError::Audience)),
            (json!({"exp": NOW - 30}), Some(ClaimsError::Expired)),
            (json!({"exp": null}), Some(ClaimsError::NoExpiry)),
            (json!({"exp": (NOW + 60).to_string()}), Some(ClaimsError::NoExpiry)),
            (json!({"nbf": NOW + 31}), Some(ClaimsError::NotYetValid)),
            (json!({"nbf": "0"}), Some(ClaimsError::NotYetValid)),
            (json!({"sub": null}), Some(ClaimsError::NoCaller)),
            (json!({"sub": ""}), Some(ClaimsError::NoCaller)),
            (json!({"sub": "x".repeat(256)}), Some(ClaimsError::NoCaller)),
        ] {
            assert_eq!(grant(&changes).err(), fault, "{changes}");
        }
    }

    #[test]
    fn scopes_are_read_from_strings_and_arrays() {
        for (changes, scopes) in [
            (json!({}), "read:logs"),
            (json!({"permissions": ["read:clients", "write:everything", 7]}), "read:clients read:logs"),
            (json!({"scope": ["read:sessions delete:sessions"]}), "read:sessions delete:sessions"),
            (json!({"scope": null, "roles": "read:logs"}), ""),
        ] {
            assert_eq!(grant(&changes).unwrap().scopes.to_string(), scopes, "{changes}");
        }
    }

    #[test]
    fn the_caller_has_the_user_and_the_client() {
        let caller = |subject: Option<&str>, client: Option<&str>| Caller::Jwt {
            subject: subject.map(|it| it.parse().unwrap()),
            client: client.map(|it| it.parse().unwrap()),
        };
        let alice = Some("auth0|alice");
        for (changes, expected) in [
            (json!({}), caller(alice, None)),
            (json!({"azp": "spa", "client_id": "cli"}), caller(alice, Some("cli"))),
            (json!({"azp": "spa"}), caller(alice, Some("spa"))),
        ] {
            assert_eq!(grant(&changes).unwrap().caller, expected, "{changes}");
        }
    }
}
