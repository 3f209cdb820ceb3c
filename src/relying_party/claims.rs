//! The rules on the claims.
//!
//! Every rule is checked, even if another one or the signature failed, so that the list shows all mistakes. Explanations
//! never quote `sub`, `sid` or metadata values.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::header::members;
use super::rules::{Check, Rule};
use super::token::{Part, Token};
use super::verify::Expected;

/// The one member of `events` (Back-Channel Logout 1.0 §2.4).
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// The oldest accepted `iat`, as in the OpenID conformance suite.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);
/// The longest time from `iat` to `exp` that is recommended (Back-Channel Logout 1.0 §4).
const RECOMMENDED_LIFETIME: SignedDuration = SignedDuration::from_mins(2);
/// The longest accepted time from `iat` to `exp`. The specification sets no limit; an hour allows for any plausible clock
/// error and limits the use of a leaked token.
const MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// The largest number of entries of `session_metadata` (Auth0).
const MAX_METADATA_ENTRIES: usize = 25;
/// The longest key and value in `session_metadata`, in characters (Auth0).
const MAX_METADATA_CHARS: usize = 255;

/// The rules from [`Rule::Payload`] to [`Rule::SessionMetadata`].
pub(super) fn check(token: &Token, expected: &Expected, now: Timestamp) -> Vec<Check> {
    let (claims, repeated) = match &token.payload {
        Part::Object(claims, repeated) => (claims, repeated),
        Part::Missing => return skip_all(Rule::Payload.skip("there is no payload to read")),
        Part::Unreadable(why) => return skip_all(Rule::Payload.fail(why)),
    };
    let (iat, exp) = (date(claims, "iat"), date(claims, "exp"));
    vec![
        Rule::Payload.pass("a JSON object"),
        members(Rule::PayloadMembers, repeated),
        iss(claims, expected.issuer.as_deref()),
        aud(claims, expected.client_id.as_deref()),
        issued(&iat, now, expected.leeway),
        expires(&exp, now, expected.leeway),
        lifetime(&iat, &exp),
        jti(claims),
        events(claims),
        nonce(claims),
        subject(claims),
        session_metadata(claims),
    ]
}

fn skip_all(reason: Check) -> Vec<Check> {
    let rest = [
        Rule::PayloadMembers,
        Rule::Iss,
        Rule::Aud,
        Rule::Iat,
        Rule::Exp,
        Rule::Lifetime,
        Rule::Jti,
        Rule::Events,
        Rule::Nonce,
        Rule::Subject,
        Rule::SessionMetadata,
    ];
    let skipped = rest.map(|rule| rule.skip("the payload cannot be read"));
    [reason].into_iter().chain(skipped).collect()
}

fn iss(claims: &Map<String, Value>, expected: Option<&str>) -> Check {
    let iss = match text(claims, "iss") {
        Ok(iss) => iss,
        Err(why) => return Rule::Iss.fail(why),
    };
    match expected {
        Some(expected) if iss == expected => Rule::Iss.pass(format!("iss is {iss:?}")),
        Some(expected) => Rule::Iss.fail(format!("iss is {iss:?}, not {expected:?}")),
        None => Rule::Iss.skip(format!("iss is {iss:?}; no issuer was given to compare it with")),
    }
}

fn aud(claims: &Map<String, Value>, expected: Option<&str>) -> Check {
    let audience: Option<Vec<&str>> = match claims.get("aud") {
        Some(Value::String(one)) => Some(vec![one]),
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
        Some(_) => None,
        None => return Rule::Aud.fail("there is no aud"),
    };
    let Some(audience) = audience.filter(|list| !list.is_empty() && list.iter().all(|one| !one.is_empty()))
    else {
        return Rule::Aud.fail("aud must be a client_id or a list of them");
    };
    match expected {
        Some(expected) if audience.contains(&expected) => Rule::Aud.pass(format!("aud has {expected:?}")),
        Some(expected) => Rule::Aud.fail(format!("aud is {audience:?}, without {expected:?}")),
        None => Rule::Aud.skip(format!("aud is {audience:?}; no client was given to compare it with")),
    }
}

fn issued(iat: &Result<Timestamp, String>, now: Timestamp, leeway: Duration) -> Check {
    let iat = match iat {
        Ok(iat) => *iat,
        Err(why) => return Rule::Iat.fail(why),
    };
    let age = now.duration_since(iat);
    let leeway = signed(leeway);
    if age.saturating_add(leeway) < SignedDuration::ZERO {
        return Rule::Iat
            .fail(format!("iat is {iat}, {} ahead of the clock", shown(iat.duration_since(now))));
    }
    if age.saturating_sub(leeway) > MAX_AGE {
        return Rule::Iat.fail(format!("iat is {iat}, more than a day ago"));
    }
    Rule::Iat.pass(format!("iat is {iat}"))
}

/// At `exp` itself the token has already expired (RFC 7519 §4.1.4).
fn expires(exp: &Result<Timestamp, String>, now: Timestamp, leeway: Duration) -> Check {
    let exp = match exp {
        Ok(exp) => *exp,
        Err(why) => return Rule::Exp.fail(why),
    };
    let left = exp.duration_since(now);
    if left.saturating_add(signed(leeway)) <= SignedDuration::ZERO {
        return Rule::Exp.fail(format!("exp is {exp}: expired {} ago", shown(now.duration_since(exp))));
    }
    Rule::Exp.pass(format!("exp is {exp}"))
}

fn lifetime(iat: &Result<Timestamp, String>, exp: &Result<Timestamp, String>) -> Check {
    let (Ok(iat), Ok(exp)) = (iat, exp) else {
        return Rule::Lifetime.skip("it needs both iat and exp");
    };
    let lifetime = exp.duration_since(*iat);
    if lifetime <= SignedDuration::ZERO {
        return Rule::Lifetime.fail("exp is not after iat");
    }
    let shown = format!("exp is {} after iat", shown(lifetime));
    if lifetime > MAX_LIFETIME {
        return Rule::Lifetime.fail(format!("{shown}, more than an hour"));
    }
    if lifetime > RECOMMENDED_LIFETIME {
        return Rule::Lifetime.warn(format!("{shown}; at most two minutes are recommended"));
    }
    Rule::Lifetime.pass(shown)
}

fn jti(claims: &Map<String, Value>) -> Check {
    match text(claims, "jti") {
        Ok(jti) => Rule::Jti.pass(format!("jti is {jti:?}")),
        Err(why) => Rule::Jti.fail(why),
    }
}

fn events(claims: &Map<String, Value>) -> Check {
    let events = match claims.get("events") {
        Some(Value::Object(events)) => events,
        Some(_) => return Rule::Events.fail("events must be an object"),
        None => return Rule::Events.fail("there is no events"),
    };
    let Some(event) = events.get(LOGOUT_EVENT) else {
        return Rule::Events.fail(format!("events has no member {LOGOUT_EVENT:?}"));
    };
    if events.len() > 1 {
        return Rule::Events.fail(format!("events has {} members; it must be exactly one", events.len()));
    }
    if event.as_object().is_none_or(|event| !event.is_empty()) {
        return Rule::Events.fail("the event's value must be exactly {}");
    }
    Rule::Events.pass("exactly the logout event, with the value {}")
}

fn nonce(claims: &Map<String, Value>) -> Check {
    if claims.contains_key("nonce") {
        return Rule::Nonce.fail("there is a nonce: the token could be used as an ID Token");
    }
    Rule::Nonce.pass("there is none")
}

fn subject(claims: &Map<String, Value>) -> Check {
    let present: Vec<&str> = ["sid", "sub"].into_iter().filter(|name| claims.contains_key(*name)).collect();
    for name in &present {
        if let Err(why) = text(claims, name) {
            return Rule::Subject.fail(why);
        }
    }
    match present[..] {
        [] => Rule::Subject.fail("there is neither sid nor sub"),
        ["sub"] => Rule::Subject.pass("sub alone: every session of the user"),
        ["sid"] => Rule::Subject.pass("sid alone: one session"),
        _ => Rule::Subject.pass("sid and sub: one session of the user"),
    }
}

fn session_metadata(claims: &Map<String, Value>) -> Check {
    let rule = Rule::SessionMetadata;
    let metadata = match claims.get("session_metadata") {
        Some(Value::Object(metadata)) => metadata,
        Some(_) => return rule.fail("session_metadata must be an object"),
        None => return rule.skip("there is none"),
    };
    let count = metadata.len();
    if count > MAX_METADATA_ENTRIES {
        return rule.fail(format!("it has {count} entries; at most {MAX_METADATA_ENTRIES} are allowed"));
    }
    for (key, value) in metadata {
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
            return rule.fail(format!("the key {key:?} must have only letters, digits, _ and -"));
        }
        let Some(value) = value.as_str() else {
            return rule.fail(format!("the value of {key:?} is not a string"));
        };
        if key.len() > MAX_METADATA_CHARS || value.chars().count() > MAX_METADATA_CHARS {
            return rule.fail(format!("{key:?} or its value has more than {MAX_METADATA_CHARS} characters"));
        }
    }
    if count == 0 {
        return rule.warn("it is empty; leave it out");
    }
    rule.pass(format!("{count} string pairs"))
}

/// A claim that must be a non-empty string.
fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    match claims.get(name) {
        Some(Value::String(text)) if text.is_empty() => Err(format!("{name} is empty")),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("{name} must be a string")),
        None => Err(format!("there is no {name}")),
    }
}

/// A claim that must be a `NumericDate`: seconds since 1970, fractions allowed (RFC 7519 §2).
fn date(claims: &Map<String, Value>, name: &str) -> Result<Timestamp, String> {
    let number = match claims.get(name) {
        Some(Value::Number(number)) => number,
        Some(_) => return Err(format!("{name} must be a number of seconds since 1970")),
        None => return Err(format!("there is no {name}")),
    };
    let timestamp = match (number.as_i64(), number.as_f64()) {
        (Some(seconds), _) => Timestamp::from_second(seconds),
        (None, Some(seconds)) => {
            SignedDuration::try_from_secs_f64(seconds).and_then(Timestamp::from_duration)
        }
        (None, None) => return Err(format!("{name} is out of range")),
    };
    timestamp.map_err(|_| format!("{name} is {number}: out of range; are these milliseconds?"))
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// A duration in seconds, as text.
fn shown(duration: SignedDuration) -> String {
    match duration.subsec_millis() {
        0 => format!("{} s", duration.as_secs()),
        millis => format!("{}.{millis:03} s", duration.as_secs()),
    }
}
