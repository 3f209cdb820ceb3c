//! Verifies a logout token: every rule, its outcome, and an explanation.
//!
//! It follows Back-Channel Logout 1.0 §2.4 and §2.6, and what the OpenID conformance suite adds. It must stay independent of
//! the issuer's code, or it would share its mistakes. Time and keys are arguments.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::jwks::Jwks;
use super::rules::{Check, Rule, RuleOutcome};
use super::token::Token;
use super::{claims, header};

/// The expected values. `None` is not compared.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The OP's identifier, for `iss`.
    pub issuer: Option<String>,
    /// This relying party's identifier, for `aud`.
    pub client_id: Option<String>,
    /// The tolerated clock difference, for `iat` and `exp`.
    pub leeway: Duration,
}

/// The outcome of every rule, and the content of the token.
#[derive(Clone, Serialize)]
pub struct Report {
    /// Whether no rule failed.
    pub valid: bool,
    /// The header, if it can be read.
    pub header: Option<Map<String, Value>>,
    /// The claims, if they can be read. They are personal data.
    pub claims: Option<Map<String, Value>>,
    /// Every rule, in the order of checking.
    pub checks: Vec<Check>,
}

/// Checks every rule.
pub fn verify(token: &Token, jwks: &Jwks, expected: &Expected, now: Timestamp) -> Report {
    let mut checks = header::check(token, jwks);
    checks.extend(claims::check(token, expected, now));
    Report {
        valid: checks.iter().all(|check| check.outcome != RuleOutcome::Fail),
        header: token.header().cloned(),
        claims: token.claims().cloned(),
        checks,
    }
}

impl Report {
    /// Adds the outcome of a rule that only the caller can check.
    pub(super) fn push(&mut self, check: Check) {
        self.valid &= check.outcome != RuleOutcome::Fail;
        self.checks.push(check);
    }

    /// The rules that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.outcome == RuleOutcome::Fail)
    }

    /// The outcome of a rule, if it was checked.
    pub fn outcome(&self, rule: Rule) -> Option<RuleOutcome> {
        self.checks.iter().find(|check| check.rule == rule).map(|check| check.outcome)
    }

    /// The claim of this name, if it is a string.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.as_ref()?.get(name)?.as_str()
    }
}

/// Outcomes only: the claims are personal data.
impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcomes = self.checks.iter().map(|check| (check.rule.name(), check.outcome));
        f.debug_map().entries(outcomes).finish()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::relying_party::test_support::{ISSUER, TestKey, claims, header, jwks, now};

    fn expected() -> Expected {
        Expected {
            issuer: Some(ISSUER.to_owned()),
            client_id: Some("shop".to_owned()),
            leeway: Duration::ZERO,
        }
    }

    fn check(token: &str, keys: &Jwks) -> Report {
        verify(&Token::parse(token), keys, &expected(), now())
    }

    fn rules(report: &Report, outcome: RuleOutcome) -> Vec<Rule> {
        report.checks.iter().filter(|check| check.outcome == outcome).map(|check| check.rule).collect()
    }

    /// The good token, changed by one edit of its header or its claims and then signed.
    fn edited(edit: impl FnOnce(&mut Value, &mut Value)) -> Report {
        let key = TestKey::es256("k1");
        let (mut header, mut claims) = (header("k1"), claims("j1"));
        edit(&mut header, &mut claims);
        check(&key.token(&header, &claims), &jwks(&[key.jwk()]))
    }

    fn without(object: &mut Value, name: &str) {
        object.as_object_mut().unwrap().remove(name).unwrap();
    }

    #[test]
    fn a_good_token_passes_every_rule() {
        let report = edited(|_, _| {});
        assert!(report.valid, "{:?}", report.checks);
        assert_eq!(rules(&report, RuleOutcome::Pass).len(), report.checks.len());
        let mut sorted = rules(&report, RuleOutcome::Pass);
        sorted.sort_unstable();
        assert_eq!(rules(&report, RuleOutcome::Pass), sorted, "in the order of checking");
        assert_eq!(sorted.len(), 21, "every rule but replay");
    }

    #[test]
    fn every_shape_a_client_can_choose_is_good() {
        let rsa = TestKey::rsa("k1");
        let [p256, p384, ed] = [TestKey::es256("k1"), TestKey::es384("k1"), TestKey::eddsa("k1")];
        let keys = [("RS256", &rsa), ("PS256", &rsa), ("ES256", &p256), ("ES384", &p384), ("EdDSA", &ed)];
        for (alg, key) in keys {
            let header = json!({"alg": alg, "kid": "k1", "typ": "logout+jwt"});
            let report = check(&key.token(&header, &claims("j1")), &jwks(&[key.jwk()]));
            assert!(report.valid, "{alg}: {:?}", report.checks);
        }
        let warned = edited(|header, _| without(header, "typ"));
        assert_eq!((warned.valid, rules(&warned, RuleOutcome::Warn)), (true, vec![Rule::Typ]));
        let warned = edited(|header, _| header["typ"] = json!("JWT"));
        assert_eq!((warned.valid, rules(&warned, RuleOutcome::Warn)), (true, vec![Rule::Typ]));
        for name in ["sid", "sub", "session_metadata"] {
            assert!(edited(|_, claims| without(claims, name)).valid, "{name}");
        }
        assert!(edited(|_, claims| claims["aud"] = json!(["other", "shop"])).valid);
        assert!(edited(|_, claims| claims["trace_id"] = json!("t")).valid);
    }

    #[test]
    fn each_broken_header_fails_exactly_its_rule() {
        let cases: [(&str, Value, Rule); 12] = [
            ("alg", json!(null), Rule::Alg),
            ("alg", json!("none"), Rule::Alg),
            ("alg", json!("HS256"), Rule::Alg),
            ("alg", json!("ES512"), Rule::Alg),
            ("alg", json!("ES384"), Rule::Key),
            ("alg", json!("RS256"), Rule::Key),
            ("kid", json!(7), Rule::Kid),
            ("kid", json!(""), Rule::Kid),
            ("kid", json!("other"), Rule::Key),
            ("typ", json!("at+jwt"), Rule::Typ),
            ("typ", json!(null), Rule::Typ),
            ("crit", json!(["exp"]), Rule::Crit),
        ];
        for (name, value, rule) in cases {
            // The key signs with ES256 whatever the header claims.
            let report = edited(|header, _| header[name] = value.clone());
            assert_eq!(rules(&report, RuleOutcome::Fail), [rule], "{name} {value}");
            assert!(!report.valid);
        }
        for name in ["alg", "kid"] {
            let report = edited(|header, _| without(header, name));
            assert_eq!(rules(&report, RuleOutcome::Fail).len(), 1, "{name}");
            assert_eq!(report.outcome(Rule::Signature), Some(RuleOutcome::Skip), "{name}");
        }
    }

    #[test]
    fn each_broken_claim_fails_exactly_its_rule() {
        let iat = now().as_second();
        let event = "http://schemas.openid.net/event/backchannel-logout";
        let too_many: Value = (0..26).map(|i| (format!("k{i}"), json!("v"))).collect::<Map<_, _>>().into();
        let cases = [
            ("iss", json!("https://op.example.com/"), Rule::Iss),
            ("iss", json!(["https://op.example.com"]), Rule::Iss),
            ("aud", json!("other"), Rule::Aud),
            ("aud", json!(["other"]), Rule::Aud),
            ("aud", json!([]), Rule::Aud),
            ("aud", json!(["shop", 1]), Rule::Aud),
            ("iat", json!(iat + 1), Rule::Iat),
            ("iat", json!(iat.to_string()), Rule::Iat),
            ("exp", json!("soon"), Rule::Exp),
            ("exp", json!(null), Rule::Exp),
            ("exp", json!(1e300), Rule::Exp),
            ("exp", json!(u64::MAX), Rule::Exp),
            ("exp", json!(iat + 3601), Rule::Lifetime),
            ("jti", json!(""), Rule::Jti),
            ("jti", json!(5), Rule::Jti),
            ("events", json!([event]), Rule::Events),
            ("events", json!({}), Rule::Events),
            ("events", json!({event: {}, "urn:other": {}}), Rule::Events),
            ("events", json!({event: {"reason": 1}}), Rule::Events),
            ("events", json!({event: null}), Rule::Events),
            ("events", json!({"https://schemas.openid.net/event/backchannel-logout": {}}), Rule::Events),
            ("nonce", json!("n"), Rule::Nonce),
            ("nonce", json!(null), Rule::Nonce),
            ("sid", json!(""), Rule::Subject),
            ("sub", json!(7), Rule::Subject),
            ("session_metadata", json!("x"), Rule::SessionMetadata),
            ("session_metadata", json!({"a b": "v"}), Rule::SessionMetadata),
            ("session_metadata", json!({"": "v"}), Rule::SessionMetadata),
            ("session_metadata", json!({"k": 1}), Rule::SessionMetadata),
            ("session_metadata", json!({"k": "v".repeat(256)}), Rule::SessionMetadata),
            ("session_metadata", json!({"k".repeat(256): "v"}), Rule::SessionMetadata),
            ("session_metadata", too_many, Rule::SessionMetadata),
        ];
        for (name, value, rule) in cases {
            let report = edited(|_, claims| claims[name] = value.clone());
            assert_eq!(rules(&report, RuleOutcome::Fail), [rule], "{name}: {value}");
        }
        for (name, rule) in [
            ("iss", Rule::Iss),
            ("aud", Rule::Aud),
            ("iat", Rule::Iat),
            ("exp", Rule::Exp),
            ("jti", Rule::Jti),
            ("events", Rule::Events),
        ] {
            let report = edited(|_, claims| without(claims, name));
            assert_eq!(rules(&report, RuleOutcome::Fail), [rule], "without {name}");
        }
        let nobody = edited(|_, claims| {
            without(claims, "sid");
            without(claims, "sub");
        });
        assert_eq!(rules(&nobody, RuleOutcome::Fail), [Rule::Subject]);
    }

    #[test]
    fn the_times_are_checked_to_the_second_and_with_leeway() {
        let at = |iat_ago: i64, ttl: i64, leeway: u64| {
            let key = TestKey::es256("k1");
            let mut claims = claims("j1");
            let iat = now().as_second() - iat_ago;
            claims["iat"] = json!(iat);
            claims["exp"] = json!(iat + ttl);
            let token = Token::parse(&key.token(&header("k1"), &claims));
            let expected = Expected { leeway: Duration::from_secs(leeway), ..expected() };
            rules(&verify(&token, &jwks(&[key.jwk()]), &expected, now()), RuleOutcome::Fail)
        };
        assert_eq!(at(119, 120, 0), []);
        assert_eq!(at(120, 120, 0), [Rule::Exp]);
        assert_eq!(at(120, 120, 1), []);
        assert_eq!(at(121, 120, 1), [Rule::Exp]);
        assert_eq!(at(-1, 120, 0), [Rule::Iat]);
        assert_eq!(at(-5, 120, 5), []);
        assert_eq!(at(-6, 120, 5), [Rule::Iat]);
        assert_eq!(at(0, 3600, 0), []);
        assert_eq!(at(0, 3601, 0), [Rule::Lifetime]);
        assert_eq!(at(86_401, 120, 0), [Rule::Iat, Rule::Exp]);
        assert_eq!(at(0, 0, 1), [Rule::Lifetime]);
        let long = edited(|_, claims| claims["exp"] = json!(now().as_second() + 121));
        assert_eq!(rules(&long, RuleOutcome::Warn), [Rule::Lifetime]);
        let fraction = edited(|_, claims| claims["iat"] = json!(1_767_323_045.5));
        assert_eq!(rules(&fraction, RuleOutcome::Fail), [Rule::Iat]);
    }

    #[test]
    fn what_was_changed_after_signing_fails_the_signature() {
        let key = TestKey::es256("k1");
        let good = key.token(&header("k1"), &claims("j1"));
        let other = key.token(&header("k1"), &claims("j2"));
        let (_, signature) = other.rsplit_once('.').unwrap();
        let (signed, _) = good.rsplit_once('.').unwrap();
        let report = check(&format!("{signed}.{signature}"), &jwks(&[key.jwk()]));
        assert_eq!(rules(&report, RuleOutcome::Fail), [Rule::Signature]);
        let report = check(&format!("{signed}."), &jwks(&[key.jwk()]));
        assert_eq!(rules(&report, RuleOutcome::Fail), [Rule::Signature]);
        // Another key under the same kid.
        let report = check(&good, &jwks(&[TestKey::es256("k1").jwk()]));
        assert_eq!(rules(&report, RuleOutcome::Fail), [Rule::Signature]);
    }

    #[test]
    fn the_public_key_is_no_shared_secret() {
        // The classic confusion: HMAC over the token with the published key as the secret.
        let key = TestKey::rsa("k1");
        let header = json!({"alg": "HS256", "kid": "k1", "typ": "logout+jwt"});
        let unsigned = TestKey::es256("k1").token(&header, &claims("j1"));
        let (signed, _) = unsigned.rsplit_once('.').unwrap();
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.jwk().to_string().as_bytes());
        let tag = ring::hmac::sign(&secret, signed.as_bytes());
        let tag = URL_SAFE_NO_PAD.encode(tag);
        let report = check(&format!("{signed}.{tag}"), &jwks(&[key.jwk()]));
        assert_eq!(rules(&report, RuleOutcome::Fail), [Rule::Alg]);
        assert_eq!(report.outcome(Rule::Signature), Some(RuleOutcome::Skip));
    }

    #[test]
    fn a_key_of_another_use_or_two_of_one_name_are_no_key() {
        let key = TestKey::es256("k1");
        let token = key.token(&header("k1"), &claims("j1"));
        let mut encryption = key.jwk();
        encryption["use"] = json!("enc");
        let mut other_alg = key.jwk();
        other_alg["alg"] = json!("ES384");
        for keys in [vec![encryption], vec![other_alg], vec![key.jwk(), key.jwk()], vec![]] {
            assert_eq!(rules(&check(&token, &jwks(&keys)), RuleOutcome::Fail), [Rule::Key], "{keys:?}");
        }
        // The same name for keys of two kinds is no doubt (RFC 7517 §4.5).
        assert!(check(&token, &jwks(&[key.jwk(), TestKey::eddsa("k1").jwk()])).valid);
    }

    #[test]
    fn a_member_named_twice_is_told() {
        let key = TestKey::es256("k1");
        let keys = jwks(&[key.jwk()]);
        let claims = claims("j1").to_string();
        let twice = claims.replacen('{', r#"{"sub": "mallory", "#, 1);
        let report = check(&key.token_of(&header("k1").to_string(), &twice), &keys);
        assert_eq!(rules(&report, RuleOutcome::Fail), [Rule::PayloadMembers]);
        let twice = header("k1").to_string().replacen('{', r#"{"kid": "k0", "#, 1);
        let report = check(&key.token_of(&twice, &claims), &keys);
        assert_eq!(rules(&report, RuleOutcome::Fail), [Rule::HeaderMembers]);
    }

    #[test]
    fn what_cannot_be_read_fails_once_and_skips_the_rest() {
        let key = TestKey::es256("k1");
        let keys = jwks(&[key.jwk()]);
        let header = header("k1").to_string();
        let claims = claims("j1").to_string();
        for (token, rule) in [
            (String::new(), Rule::CompactJws),
            ("e30.e30".to_owned(), Rule::CompactJws),
            (format!("{}=", key.token_of(&header, &claims)), Rule::CompactJws),
            (key.token_of(&header, "[]"), Rule::Payload),
            (key.token_of(&header, "{"), Rule::Payload),
        ] {
            let report = check(&token, &keys);
            assert_eq!(rules(&report, RuleOutcome::Fail), [rule], "{token}");
            assert_eq!(report.checks.len(), 21, "every rule is on the list");
        }
    }

    #[test]
    fn without_expectations_nothing_is_compared() {
        let key = TestKey::es256("k1");
        let token = Token::parse(&key.token(&header("k1"), &claims("j1")));
        let report = verify(&token, &jwks(&[key.jwk()]), &Expected::default(), now());
        assert!(report.valid);
        assert_eq!(rules(&report, RuleOutcome::Skip), [Rule::Iss, Rule::Aud]);
    }

    #[test]
    fn debug_and_explanations_keep_the_person_out() {
        let report = edited(|_, claims| {
            claims["sub"] = json!("alice@example.com");
            claims["session_metadata"] = json!({"k": "alice@example.com".repeat(30)});
        });
        assert!(!format!("{report:?}").contains("alice"));
        assert!(!format!("{:?}", report.checks).contains("alice"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_pass(text in "[a-zA-Z0-9_.=-]{0,60}", json in ".{0,40}") {
            let keys = jwks(&[]);
            prop_assert!(!check(&text, &keys).valid);
            let token = TestKey::es256("k1").token_of(&json, &json);
            prop_assert!(!check(&token, &keys).valid);
        }
    }
}
