//! Auth0's `oidc_logout` object: a client's logout URL, initiators and session metadata in its words.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::body::Member;
use super::super::openapi as doc;
use crate::domain::client::{Client, LogoutUri};
use crate::domain::initiator::{Initiator, Initiators};
use crate::domain::metadata::MetadataChoice;
use crate::registry::InvalidMember;

/// Auth0's `oidc_logout`, as it is written. What is left out stays as it is.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OidcLogoutChange {
    /// A list of one; none, or `null`, unsubscribes.
    #[serde(default, rename = "backchannel_logout_urls")]
    #[schema(value_type = Option<Vec<doc::LogoutUri>>, max_items = 1)]
    urls: Member<Vec<LogoutUri>>,
    /// `null` is the default.
    #[serde(default, rename = "backchannel_logout_initiators")]
    #[schema(value_type = Option<doc::OidcLogoutInitiators>)]
    initiators: Member<InitiatorsForm>,
    /// `null` is none.
    #[serde(default, rename = "backchannel_logout_session_metadata")]
    #[schema(value_type = Option<Inclusion>)]
    session_metadata: Member<Inclusion>,
}

/// Auth0's `oidc_logout`, as it is read: of a client that has a logout URI.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OidcLogout)]
pub(super) struct OidcLogoutView {
    #[serde(rename = "backchannel_logout_urls")]
    #[schema(value_type = Vec<doc::LogoutUri>, min_items = 1, max_items = 1)]
    urls: [LogoutUri; 1],
    #[serde(rename = "backchannel_logout_initiators")]
    #[schema(value_type = doc::OidcLogoutInitiators)]
    initiators: InitiatorsForm,
    #[serde(rename = "backchannel_logout_session_metadata")]
    session_metadata: Inclusion,
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
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OidcLogoutSessionMetadata)]
#[serde(deny_unknown_fields)]
struct Inclusion {
    include: bool,
}

impl OidcLogoutView {
    pub(super) fn of(client: &Client) -> Option<Self> {
        let (mode, selected_initiators) = match &client.initiators {
            Initiators::All => (Mode::All, None),
            Initiators::Selected(selected) => (Mode::Custom, Some(selected.clone())),
        };
        Some(Self {
            urls: [client.backchannel_logout_uri.clone()?],
            initiators: InitiatorsForm { mode, selected_initiators },
            session_metadata: Inclusion { include: client.session_metadata != MetadataChoice::None },
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
    pub(super) fn initiators(&self) -> Result<Option<Initiators>, InvalidMember> {
        let InitiatorsForm { mode, selected_initiators } = match &self.initiators {
            Member::Absent => return Ok(None),
            Member::Null => return Ok(Some(Initiators::default())),
            Member::Is(form) => form,
        };
        let selected = selected_initiators.clone().unwrap_or_default();
        let problem = match (mode, selected.is_empty()) {
            (Mode::All, true) => return Ok(Some(Initiators::All)),
            (Mode::Custom, false) => return Ok(Some(Initiators::Selected(selected))),
            (Mode::All, false) => "must be left out with the mode \"all\"",
            (Mode::Custom, true) => "must name at least one initiator with the mode \"custom\"",
        };
        Err(InvalidMember::new("oidc_logout.backchannel_logout_initiators.selected_initiators", problem))
    }

    /// The session metadata, if it says something of it, for a client that has `now`: to include it keeps a
    /// choice of keys.
    pub(super) fn session_metadata(&self, now: &MetadataChoice) -> Option<MetadataChoice> {
        let Inclusion { include } = self.session_metadata.clone().sets(Inclusion { include: false })?;
        Some(match (include, now) {
            (false, _) => MetadataChoice::None,
            (true, MetadataChoice::None) => MetadataChoice::All,
            (true, chosen) => chosen.clone(),
        })
    }
}
