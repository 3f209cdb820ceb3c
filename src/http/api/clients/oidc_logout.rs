//! Auth0's `oidc_logout` object: a client's logout URL, initiators and session metadata in its words.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::client::{Client, LogoutUri, SpelledOut};
use crate::domain::initiator::{Initiator, Initiators};
use crate::domain::metadata::MetadataChoice;
use crate::http::extract::{Member, object};
use crate::http::schema as doc;
use crate::registry::InvalidMember;

/// Auth0's `oidc_logout`, as it is written. What is left out stays as it is.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OidcLogoutChange {
    /// A list of one; none, or `null`, unsubscribes.
    #[serde(default, rename = "backchannel_logout_urls")]
    #[schema(value_type = Option<Vec<LogoutUri>>, max_items = 1)]
    urls: Member<Vec<LogoutUri>>,
    /// `null` is the default.
    #[serde(default, rename = "backchannel_logout_initiators", deserialize_with = "object")]
    #[schema(value_type = Option<doc::OidcLogoutInitiators>)]
    initiators: Member<InitiatorsForm>,
    /// `null` is none.
    #[serde(default, rename = "backchannel_logout_session_metadata", deserialize_with = "object")]
    #[schema(value_type = Option<InclusionForm>)]
    session_metadata: Member<InclusionForm>,
}

/// Auth0's `oidc_logout`, as it is read: of a client that has a logout URI. Defaults that nobody set are left out.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OidcLogout)]
pub(super) struct OidcLogoutView {
    #[serde(rename = "backchannel_logout_urls")]
    #[schema(value_type = Vec<LogoutUri>, min_items = 1, max_items = 1)]
    urls: [LogoutUri; 1],
    #[serde(rename = "backchannel_logout_initiators", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = doc::OidcLogoutInitiators, required = false)]
    initiators: Option<InitiatorsForm>,
    #[serde(rename = "backchannel_logout_session_metadata", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Inclusion, required = false)]
    session_metadata: Option<Inclusion>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InitiatorsForm {
    mode: Mode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

/// Whether a client's tokens are to carry session metadata. Without `include`, or with `null`: none, as if it had
/// never been set.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[schema(as = OidcLogoutSessionMetadataChange)]
#[serde(deny_unknown_fields)]
struct InclusionForm {
    include: Option<bool>,
}

/// What is to become of the initiators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InitiatorsChange {
    pub(super) initiators: Initiators,
    /// They were named, not left to the default.
    pub(super) spelled_out: bool,
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
            initiators: initiators_are_shown.then_some(InitiatorsForm { mode, selected_initiators }),
            session_metadata: (include || no_session_metadata).then_some(Inclusion { include }),
        })
    }
}

impl OidcLogoutChange {
    /// What `null` in the place of the object means: everything as if it had never been set.
    pub(super) fn unsubscribed() -> Self {
        Self { urls: Member::Null, initiators: Member::Null, session_metadata: Member::Null }
    }

    /// The logout URI.
    pub(super) fn logout_uri(&self) -> Result<Member<LogoutUri>, InvalidMember> {
        match &self.urls {
            Member::Absent => Ok(Member::Absent),
            Member::Null => Ok(Member::Null),
            Member::Is(urls) => match urls.as_slice() {
                [] => Ok(Member::Null),
                [url] => Ok(Member::Is(url.clone())),
                more => {
                    let problem = format!("must have at most one URL, and has {}", more.len());
                    Err(InvalidMember::new("oidc_logout.backchannel_logout_urls", problem))
                }
            },
        }
    }

    /// The initiators, if it says any.
    pub(super) fn initiators(&self) -> Result<Option<InitiatorsChange>, InvalidMember> {
        let spelled_out = |initiators| Ok(Some(InitiatorsChange { initiators, spelled_out: true }));
        let InitiatorsForm { mode, selected_initiators } = match &self.initiators {
            Member::Absent => return Ok(None),
            Member::Null => {
                let initiators = Initiators::default();
                return Ok(Some(InitiatorsChange { initiators, spelled_out: false }));
            }
            Member::Is(form) => form,
        };
        let problem = match (mode, selected_initiators) {
            (Mode::All, None) => return spelled_out(Initiators::All),
            (Mode::Custom, Some(selected)) if !selected.is_empty() => {
                return spelled_out(Initiators::Selected(selected.clone()));
            }
            // Auth0 refuses this too.
            (Mode::All, Some(_)) => "must be left out with the mode \"all\", which is every initiator",
            (Mode::Custom, _) => "must name at least one initiator with the mode \"custom\"",
        };
        Err(InvalidMember::new("oidc_logout.backchannel_logout_initiators.selected_initiators", problem))
    }

    /// Whether session metadata is to be included, if it says something of it; `null` is as if it had never been set.
    pub(super) fn included(&self) -> Member<bool> {
        match &self.session_metadata {
            Member::Absent => Member::Absent,
            Member::Null | Member::Is(InclusionForm { include: None }) => Member::Null,
            Member::Is(InclusionForm { include: Some(include) }) => Member::Is(*include),
        }
    }
}

/// What a client's choice of metadata becomes, where it has `now`: to include it keeps a choice of keys.
pub(super) fn metadata_choice(include: bool, now: &MetadataChoice) -> MetadataChoice {
    match (include, now) {
        (false, _) => MetadataChoice::None,
        (true, MetadataChoice::None) => MetadataChoice::All,
        (true, chosen) => chosen.clone(),
    }
}
