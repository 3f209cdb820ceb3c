//! Why a session ended.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a session ended, in Auth0's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Initiator {
    /// The user logged out at an RP (RP-Initiated Logout).
    RpLogout,
    /// The user logged out at the OP, or at an upstream OP.
    IdpLogout,
    /// The user's password changed.
    PasswordChanged,
    /// The session reached its idle or absolute lifetime.
    SessionExpired,
    /// An administrator or a policy ended the session.
    SessionRevoked,
    /// The account was deleted.
    AccountDeleted,
    /// The account was blocked or deactivated.
    AccountDeactivated,
    /// The email address that identifies the user changed.
    EmailIdentifierChanged,
    /// The phone number used as a second factor was removed.
    MfaPhoneUnenrolled,
}

impl Initiator {
    /// Every initiator, in the contract's order.
    pub const ALL: [Self; 9] = [
        Self::RpLogout,
        Self::IdpLogout,
        Self::PasswordChanged,
        Self::SessionExpired,
        Self::SessionRevoked,
        Self::AccountDeleted,
        Self::AccountDeactivated,
        Self::EmailIdentifierChanged,
        Self::MfaPhoneUnenrolled,
    ];

    /// The name used in events, configuration and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RpLogout => "rp-logout",
            Self::IdpLogout => "idp-logout",
            Self::PasswordChanged => "password-changed",
            Self::SessionExpired => "session-expired",
            Self::SessionRevoked => "session-revoked",
            Self::AccountDeleted => "account-deleted",
            Self::AccountDeactivated => "account-deactivated",
            Self::EmailIdentifierChanged => "email-identifier-changed",
            Self::MfaPhoneUnenrolled => "mfa-phone-unenrolled",
        }
    }
}

impl fmt::Display for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Initiator> for &'static str {
    fn from(initiator: Initiator) -> Self {
        initiator.as_str()
    }
}

/// The name is not one of [`Initiator::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an initiator; use one of {all}", all = Initiator::ALL.map(Initiator::as_str).join(", "))]
pub struct UnknownInitiator(String);

impl FromStr for Initiator {
    type Err = UnknownInitiator;

    fn from_str(name: &str) -> Result<Self, UnknownInitiator> {
        Self::ALL.into_iter().find(|it| it.as_str() == name).ok_or_else(|| UnknownInitiator(name.to_owned()))
    }
}

impl TryFrom<String> for Initiator {
    type Error = UnknownInitiator;

    fn try_from(name: String) -> Result<Self, UnknownInitiator> {
        name.parse()
    }
}

/// The initiators for which a client receives logout tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "InitiatorsForm", try_from = "InitiatorsForm")]
pub enum Initiators {
    /// Every initiator.
    All,
    /// Only these.
    Selected(BTreeSet<Initiator>),
}

impl Default for Initiators {
    /// Auth0's default: logouts by the user.
    fn default() -> Self {
        Self::Selected(BTreeSet::from([Initiator::RpLogout, Initiator::IdpLogout]))
    }
}

impl Initiators {
    /// Whether the client is notified of sessions that ended for this reason.
    pub fn include(&self, initiator: Initiator) -> bool {
        match self {
            Self::All => true,
            Self::Selected(selected) => selected.contains(&initiator),
        }
    }
}

/// How [`Initiators`] are written: `"all"` or a list of names.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "`initiators` must be \"all\" or a list of initiator names")]
enum InitiatorsForm {
    Word(String),
    List(Vec<String>),
}

/// The value is neither `"all"` nor a list of initiators.
#[derive(Debug, thiserror::Error)]
enum InitiatorsError {
    #[error("`initiators` must be \"all\" or a list of initiator names, not \"{0}\"")]
    Word(String),
    #[error(
        "`initiators` must name at least one; leave out `backchannel_logout_uri` to unsubscribe a client"
    )]
    Empty,
    #[error(transparent)]
    Unknown(#[from] UnknownInitiator),
}

impl TryFrom<InitiatorsForm> for Initiators {
    type Error = InitiatorsError;

    fn try_from(form: InitiatorsForm) -> Result<Self, InitiatorsError> {
        match form {
            InitiatorsForm::Word(word) if word == "all" => Ok(Self::All),
            InitiatorsForm::Word(word) => Err(InitiatorsError::Word(word)),
            InitiatorsForm::List(names) if names.is_empty() => Err(InitiatorsError::Empty),
            InitiatorsForm::List(names) => {
                Ok(Self::Selected(names.into_iter().map(Initiator::try_from).collect::<Result<_, _>>()?))
            }
        }
    }
}

impl From<Initiators> for InitiatorsForm {
    fn from(initiators: Initiators) -> Self {
        match initiators {
            Initiators::All => Self::Word("all".to_owned()),
            Initiators::Selected(selected) => {
                Self::List(selected.into_iter().map(|it| it.as_str().to_owned()).collect())
            }
        }
    }
}
