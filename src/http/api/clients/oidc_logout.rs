//! Auth0's `oidc_logout` object: a client's logout URL, initiators and session metadata in its words.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::client::{Client, LogoutUri, SpelledOut};
use crate::domain::initiator::{Initiator, Initiators};
use crate::domain::metadata::MetadataChoice;
use crate::http::extract::{Member, object};
use crate::http::schema as doc;
use crate::registry::InvalidMember;

/// Auth0's `oidc_logout`, as it is written. What is left out stays as it is.
///
/// Only its structure is read here; the values in it are those of settings, which read them.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(description = "Auth0's `oidc_logout`, as it is written. What is left out stays as it is.")]
#[serde(deny_unknown_fields)]
pub(super) struct OidcLogoutChange {
    /// A list of one; none, or `null`, unsubscribes.
    #[serde(default, rename = "backchannel_logout_urls")]
    #[schema(value_type = Option<Vec<LogoutUri>>, max_items = 1)]
    urls: Member<Vec<Value>>,
    /// `null` is the default.
    #[serde(default, rename = "backchannel_logout_initiators", deserialize_with = "object")]
    #[schema(value_type = Option<doc::OidcLogoutInitiators>)]
    initiators: Member<InitiatorsChange>,
    /// `null` is none.
    #[serde(default, rename = "backchannel_logout_session_metadata", deserialize_with = "object")]
    #[schema(value_type = Option<InclusionChange>)]
    session_metadata: Member<InclusionChange>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InitiatorsChange {
    mode: Mode,
    #[serde(default)]
    selected_initiators: Option<Vec<Value>>,
}

/// Whether a client's tokens are to carry session metadata. Without `include`, or with `null`: none, as if it had
/// never been set.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[schema(as = OidcLogoutSessionMetadataChange)]
#[serde(deny_unknown_fields)]
struct InclusionChange {
    include: Option<bool>,
}

/// Auth0's `oidc_logout`, as it is read: of a client that has a logout URI. Defaults that were not set explicitly are left out.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OidcLogout)]
pub(super) struct OidcLogoutView {
    #[serde(rename = "backchannel_logout_urls")]
    #[schema(value_type = Vec<LogoutUri>, min_items = 1, max_items = 1)]
    urls: [LogoutUri; 1],
    #[serde(rename = "backchannel_logout_initiators", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = doc::OidcLogoutInitiators, required = false)]
    initiators: Option<InitiatorsView>,
    #[serde(rename = "backchannel_logout_session_metadata", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Inclusion, required = false)]
    session_metadata: Option<Inclusion>,
}

#[derive(Clone, Debug, Serialize)]
struct InitiatorsView {
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    selected_initiators: Option<BTreeSet<Initiator>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    All,
    Custom,
}

/// Whether a client's tokens carry session metadata.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = OidcLogoutSessionMetadata)]
struct Inclusion {
    include: bool,
}

impl OidcLogoutView {
    pub(super) fn of(client: &Client) -> Option<Self> {
        let (mode, selected_initiators) = match &client.initiators {
            Initiators::All => (Mode::All, None),
            Initiators::Selected(selected) => (Mode::Custom, Some(selected.clone())),
        };
        let include = client.session_metadata != MetadataChoice::None;
        let SpelledOut { initiators, no_session_metadata } = client.spelled_out;
        let initiators_are_shown = initiators || client.initiators != Initiators::default();
        Some(Self {
            urls: [client.backchannel_logout_uri.clone()?],
            initiators: initiators_are_shown.then_some(InitiatorsView { mode, selected_initiators }),
            session_metadata: (include || no_session_metadata).then_some(Inclusion { include }),
        })
    }
}

impl OidcLogoutChange {
    /// What `null` in the place of the object means: each setting's default.
    pub(super) fn defaults() -> Self {
        Self { urls: Member::Null, initiators: Member::Null, session_metadata: Member::Null }
    }

    /// The settings as a document. `session_metadata` is `true` in it even where the client has a choice of keys,
    /// which that would keep. `name` is that of the object, for errors.
    pub(super) fn document(self, name: &str) -> Result<Map<String, Value>, InvalidMember> {
        let invalid =
            |member: &str, problem: String| Err(InvalidMember::new(format!("{name}.{member}"), problem));
        let mut document = Map::new();
        match self.urls {
            Member::Absent => {}
            Member::Is(urls) if urls.len() > 1 => {
                let problem = format!("must have at most one URL, and has {}", urls.len());
                return invalid("backchannel_logout_urls", problem);
            }
            Member::Null => drop(document.insert("backchannel_logout_uri".to_owned(), Value::Null)),
            Member::Is(urls) => {
                let uri = urls.into_iter().next().unwrap_or_default();
                document.insert("backchannel_logout_uri".to_owned(), uri);
            }
        }
        match self.initiators {
            Member::Absent => {}
            Member::Null => drop(document.insert("initiators".to_owned(), Value::Null)),
            Member::Is(change) => match change.value() {
                Ok(value) => drop(document.insert("initiators".to_owned(), value)),
                Err(problem) => {
                    let member = "backchannel_logout_initiators.selected_initiators";
                    return invalid(member, problem.to_owned());
                }
            },
        }
        match self.session_metadata {
            Member::Absent => {}
            Member::Null => drop(document.insert("session_metadata".to_owned(), Value::Null)),
            Member::Is(InclusionChange { include }) => {
                document.insert("session_metadata".to_owned(), include.into());
            }
        }
        Ok(document)
    }
}

impl InitiatorsChange {
    /// As the setting is written.
    fn value(self) -> Result<Value, &'static str> {
        match (self.mode, self.selected_initiators) {
            (Mode::All, None) => Ok("all".into()),
            (Mode::Custom, Some(selected)) if !selected.is_empty() => Ok(selected.into()),
            // Auth0 refuses this too.
            (Mode::All, Some(_)) => Err("must be left out with the mode \"all\", which is every initiator"),
            (Mode::Custom, _) => Err("must name at least one initiator with the mode \"custom\""),
        }
    }
}
