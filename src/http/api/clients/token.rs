//! `token` in the body of a registration or a change.

use std::time::Duration;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::client::{TokenOptions, TokenSubject, TokenTyp};
use crate::http::extract::Member;
use crate::registry::InvalidMember;

/// What is left out stays as it is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenChange {
    /// A duration with a unit, such as `2m`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "2m")]
    ttl: Member<String>,
    #[serde(default)]
    #[schema(value_type = Option<TokenTyp>)]
    typ: Member<TokenTyp>,
    #[serde(default)]
    #[schema(value_type = Option<TokenSubject>)]
    subject: Member<TokenSubject>,
}

impl TokenChange {
    pub(super) fn apply(&self, token: &mut TokenOptions) -> Result<(), InvalidMember> {
        let default = TokenOptions::default();
        match &self.ttl {
            Member::Absent => {}
            Member::Null => token.ttl = default.ttl,
            Member::Is(text) => token.ttl = checked_ttl(text)?,
        }
        token.typ = self.typ.clone().sets(default.typ).unwrap_or(token.typ);
        token.subject = self.subject.clone().sets(default.subject).unwrap_or(token.subject);
        Ok(())
    }
}

fn checked_ttl(text: &str) -> Result<Duration, InvalidMember> {
    let whole_seconds = |ttl: &Duration| ttl.subsec_nanos() == 0;
    let range = Duration::from_secs(1)..=TokenOptions::MAX_TTL;
    let ttl = humantime::parse_duration(text).ok().filter(|ttl| range.contains(ttl)).filter(whole_seconds);
    ttl.ok_or_else(|| {
        InvalidMember::new("token.ttl", "must be a duration of whole seconds from 1s to 10m, such as \"2m\"")
    })
}
