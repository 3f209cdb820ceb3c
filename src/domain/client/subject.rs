//! How a client identifies users, and which tokens it gets when all sessions of a user end.

use serde::{Deserialize, Serialize};

use super::document::Choice;

/// Which tokens a client gets when all sessions of a user end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectLogout {
    /// One for each session in which it takes part. Some receivers cannot handle a `sub` alone.
    #[default]
    Sid,
    /// One with the `sub` alone, which means all sessions of the user (Back-Channel Logout 1.0 §2.4).
    Sub,
}

impl Choice for SubjectLogout {
    const SCHEMA: &'static str = "SubjectLogout";
    const DESCRIPTION: &'static str = "Which tokens a client gets when all sessions of a user end: one for each session (`sid`), or one with the `sub` alone (`sub`).";
    const ALL: &'static [Self] = &[Self::Sid, Self::Sub];

    fn as_str(self) -> &'static str {
        match self {
            Self::Sid => "sid",
            Self::Sub => "sub",
        }
    }
}

/// How a client identifies users (OpenID Connect Core §8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectType {
    /// The OP's `sub`, the same at every such client.
    #[default]
    Public,
    /// A `sub` of the client's own, or of its sector's. It never gets the public one.
    Pairwise,
}

impl Choice for SubjectType {
    const SCHEMA: &'static str = "SubjectType";
    const DESCRIPTION: &'static str = "How a client identifies users (OpenID Connect Core, section 8).";
    const ALL: &'static [Self] = &[Self::Public, Self::Pairwise];

    fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Pairwise => "pairwise",
        }
    }
}
