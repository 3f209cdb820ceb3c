//! The scopes that routes require and tokens grant.

use std::fmt;
use std::str::FromStr;

/// A scope. Names are Auth0's where Auth0 has an equivalent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Report events.
    CreateEvents,
    /// Read sessions.
    ReadSessions,
    /// Change sessions' metadata.
    UpdateSessions,
    /// End sessions.
    DeleteSessions,
    /// Read clients.
    ReadClients,
    /// Register clients.
    CreateClients,
    /// Change clients, and send test tokens to their endpoints.
    UpdateClients,
    /// Delete clients.
    DeleteClients,
    /// Read deliveries and their attempts.
    ReadDeliveries,
    /// Put deliveries back into the queue.
    UpdateDeliveries,
    /// Read the signing keys' public parts.
    ReadSigningKeys,
    /// Rotate and revoke signing keys.
    UpdateSigningKeys,
    /// Read the audit trail.
    ReadLogs,
}

impl Scope {
    /// Every scope, in the order documents list them.
    pub const ALL: [Self; 13] = [
        Self::CreateEvents,
        Self::ReadSessions,
        Self::UpdateSessions,
        Self::DeleteSessions,
        Self::ReadClients,
        Self::CreateClients,
        Self::UpdateClients,
        Self::DeleteClients,
        Self::ReadDeliveries,
        Self::UpdateDeliveries,
        Self::ReadSigningKeys,
        Self::UpdateSigningKeys,
        Self::ReadLogs,
    ];

    /// Its name in tokens, documents and errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateEvents => "create:events",
            Self::ReadSessions => "read:sessions",
            Self::UpdateSessions => "update:sessions",
            Self::DeleteSessions => "delete:sessions",
            Self::ReadClients => "read:clients",
            Self::CreateClients => "create:clients",
            Self::UpdateClients => "update:clients",
            Self::DeleteClients => "delete:clients",
            Self::ReadDeliveries => "read:deliveries",
            Self::UpdateDeliveries => "update:deliveries",
            Self::ReadSigningKeys => "read:signing_keys",
            Self::UpdateSigningKeys => "update:signing_keys",
            Self::ReadLogs => "read:logs",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is not one of [`Scope::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope; use {all}", all = Scope::ALL.map(Scope::as_str).join(", "))]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|it| it.as_str() == name).ok_or_else(|| UnknownScope(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_round_trip_and_unknown_ones_are_rejected() {
        for scope in Scope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        let error = "read:session".parse::<Scope>().unwrap_err().to_string();
        assert!(
            error.starts_with("`read:session` is not a scope; use create:events, read:sessions,"),
            "{error}"
        );
        assert!(error.ends_with(", read:logs"), "{error}");
    }
}
