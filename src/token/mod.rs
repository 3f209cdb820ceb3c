//! The logout token: header and claims from a delivery, its client, the time and a `jti`.
//!
//! Pure: it signs nothing and sends nothing. Its shape is fixed by Back-Channel Logout 1.0 §2.4.

use jiff::Timestamp;
use jsonwebtoken::Header;
use serde::Serialize;
use uuid::Uuid;

use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{Client, SubjectType, TokenSubject, TokenTyp};
use crate::domain::delivery::Intent;
use crate::domain::ids::{ClientId, Sid, Sub};
use crate::domain::metadata::SessionMetadata;

#[cfg(test)]
mod tests;

/// The claims of a logout token. There is deliberately no `nonce`: §2.4 prohibits it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Claims {
    iss: String,
    aud: ClientId,
    iat: i64,
    exp: i64,
    jti: Uuid,
    events: Events,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<Sub>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<Sid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_metadata: Option<SessionMetadata>,
}

/// Exactly one member whose value is exactly `{}`: some receivers refuse anything more.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Events {
    #[serde(rename = "http://schemas.openid.net/event/backchannel-logout")]
    backchannel_logout: NoMembers,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct NoMembers {}

/// The client's settings ask for an identifier that the delivery does not have: they have changed since the
/// delivery was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client takes only tokens with a {needs}, and the delivery has none")]
pub struct NoIdentifier {
    /// `sid` or `sub`.
    pub needs: &'static str,
}

/// The claims of the token for `intent`, with the identifiers and the lifetime that `client`'s settings ask for.
///
/// # Errors
/// If the delivery has no identifier of the kind that the client's settings ask for.
pub fn claims(
    issuer: &str,
    client: &Client,
    intent: &Intent,
    now: Timestamp,
    jti: Uuid,
) -> Result<Claims, NoIdentifier> {
    let (sid, sub) = identifiers(client, intent)?;
    // Rounded down, so that `iat` is never ahead of the clock: several receivers refuse that.
    let iat = now.as_second();
    let ttl = i64::try_from(client.token.ttl.as_secs()).unwrap_or(i64::MAX);
    let metadata = &intent.session_metadata;
    Ok(Claims {
        iss: issuer.to_owned(),
        aud: client.client_id.clone(),
        iat,
        exp: iat.saturating_add(ttl),
        jti,
        events: Events::default(),
        sub: sub.cloned(),
        sid: sid.cloned(),
        session_metadata: (!metadata.is_empty()).then(|| metadata.clone()),
    })
}

/// The header of a token signed by the key `kid`.
pub fn header(alg: SigningAlg, kid: &str, typ: TokenTyp) -> Header {
    let mut header = Header::new(alg.into());
    header.kid = Some(kid.to_owned());
    header.typ = typ.header_value().map(str::to_owned);
    header
}

fn identifiers<'a>(
    client: &Client,
    intent: &'a Intent,
) -> Result<(Option<&'a Sid>, Option<&'a Sub>), NoIdentifier> {
    // The delivery may have been planned before the client became pairwise.
    let hidden = intent.sub_is_public && client.subject_type == SubjectType::Pairwise;
    let (sid, sub) = (intent.sid.as_ref(), intent.sub.as_ref().filter(|_| !hidden));
    if client.backchannel_logout_session_required && sid.is_none() {
        return Err(NoIdentifier { needs: "sid" });
    }
    match client.token.subject {
        TokenSubject::SidAndSub if sid.is_none() && sub.is_none() => {
            Err(NoIdentifier { needs: "sid or sub" })
        }
        TokenSubject::SidAndSub => Ok((sid, sub)),
        TokenSubject::Sid => Ok((Some(sid.ok_or(NoIdentifier { needs: "sid" })?), None)),
        TokenSubject::Sub => {
            let sub = sub.ok_or(NoIdentifier { needs: "sub" })?;
            Ok((sid.filter(|_| client.backchannel_logout_session_required), Some(sub)))
        }
    }
}
