//! The rules on the header and the signature.
//!
//! Header members that offer a key (`jwk`, `jku`, `x5c`, `x5u`) are ignored: the key must come from the OP's JWKS.

use serde_json::{Map, Value};

use super::jwks::{Jwks, Material};
use super::rules::{Check, Rule};
use super::signature::Alg;
use super::token::{Part, Token};

/// The rules from [`Rule::CompactJws`] to [`Rule::Signature`].
pub(super) fn check(token: &Token, jwks: &Jwks) -> Vec<Check> {
    let mut checks = vec![match &token.flaw {
        None => Rule::CompactJws.pass("three parts in base64url"),
        Some(flaw) => Rule::CompactJws.fail(flaw),
    }];
    let header = match &token.header {
        Part::Object(header, repeated) => {
            checks.push(Rule::Header.pass("a JSON object"));
            checks.push(members(Rule::HeaderMembers, repeated));
            header
        }
        Part::Missing => return skip_all(checks, Rule::Header.skip("there is no header to read")),
        Part::Unreadable(why) => return skip_all(checks, Rule::Header.fail(why)),
    };
    let (alg, check) = alg(header);
    checks.extend([check, typ(header), crit(header), kid(token, header)]);
    let (key, check) = key(token, alg, jwks);
    checks.push(check);
    checks.push(signature(token, alg.zip(key)));
    checks
}

/// Checks that no member of a JSON object is repeated.
pub(super) fn members(rule: Rule, repeated: &[String]) -> Check {
    if repeated.is_empty() {
        return rule.pass("no member is named twice");
    }
    rule.fail(format!("named more than once: {repeated:?}; readers disagree on which one counts"))
}

fn skip_all(mut checks: Vec<Check>, reason: Check) -> Vec<Check> {
    checks.push(reason);
    let rest = [Rule::HeaderMembers, Rule::Alg, Rule::Typ, Rule::Crit, Rule::Kid, Rule::Key, Rule::Signature];
    checks.extend(rest.map(|rule| rule.skip("the header cannot be read")));
    checks
}

fn alg(header: &Map<String, Value>) -> (Option<Alg>, Check) {
    let name = match header.get("alg") {
        Some(Value::String(name)) => name,
        Some(_) => return (None, Rule::Alg.fail("alg must be a string")),
        None => return (None, Rule::Alg.fail("there is no alg")),
    };
    match Alg::named(name) {
        Ok(alg) => (Some(alg), Rule::Alg.pass(format!("alg is {name}"))),
        Err(error) => (None, Rule::Alg.fail(error.to_string())),
    }
}

/// `typ` is a media type: it is case-insensitive and may include `application/` (RFC 7515
/// §4.1.9).
fn typ(header: &Map<String, Value>) -> Check {
    let typ = match header.get("typ") {
        Some(Value::String(typ)) => typ,
        Some(_) => return Rule::Typ.fail("typ must be a string"),
        None => return Rule::Typ.warn("there is no typ; logout+jwt is recommended"),
    };
    let lower = typ.to_ascii_lowercase();
    match lower.strip_prefix("application/").unwrap_or(&lower) {
        "logout+jwt" => Rule::Typ.pass(format!("typ is {typ:?}")),
        "jwt" => Rule::Typ.warn(format!("typ is {typ:?}; logout+jwt is recommended")),
        _ => Rule::Typ.fail(format!("typ is {typ:?}: the token is of another type (RFC 8725, section 3.11)")),
    }
}

fn crit(header: &Map<String, Value>) -> Check {
    match header.get("crit") {
        None => Rule::Crit.pass("there is no critical extension"),
        Some(_) => Rule::Crit.fail("crit names extensions, and none is supported"),
    }
}

fn kid(token: &Token, header: &Map<String, Value>) -> Check {
    match (token.kid(), header.get("kid")) {
        (Some(kid), _) => Rule::Kid.pass(format!("kid is {kid:?}")),
        (None, None) => Rule::Kid.fail("there is no kid, so no key can be selected"),
        (None, Some(_)) => Rule::Kid.fail("kid must be a non-empty string"),
    }
}

fn key<'a>(token: &Token, alg: Option<Alg>, jwks: &'a Jwks) -> (Option<&'a Material>, Check) {
    let (Some(alg), Some(kid)) = (alg, token.kid()) else {
        return (None, Rule::Key.skip("a key cannot be chosen without alg and kid"));
    };
    match jwks.select(kid, alg) {
        Ok(material) => (Some(material), Rule::Key.pass("exactly one key of the JWKS fits")),
        Err(error) => (None, Rule::Key.fail(error.to_string())),
    }
}

fn signature(token: &Token, with: Option<(Alg, &Material)>) -> Check {
    let Some((alg, material)) = with else {
        return Rule::Signature.skip("there is no key to verify it with");
    };
    if token.flaw.is_some() {
        return Rule::Signature.skip("the parts cannot be read");
    }
    match alg.verify(material, token.signed.as_bytes(), &token.signature) {
        Ok(()) => Rule::Signature.pass("the signature is valid for this key, header and payload"),
        Err(error) => Rule::Signature.fail(error.to_string()),
    }
}
