//! Login with an API token's id and secret as client credentials (RFC 6749 §4.4), for tools that require this flow.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use super::{Authenticator, Denied, Source, TokenKind, envelope, secret};
use crate::causes::Causes;
use crate::domain::access::{Caller, ScopeSet};

/// The `expires_in` of an API token that never expires: the default lifetime of Auth0's Management API tokens. Clients
/// expect a value (Auth0's SDK for Python fails without one); the bearer token stays valid after it.
const LIFETIME_WITHOUT_EXPIRY: Duration = Duration::from_hours(24);

/// The result of a login.
pub struct Login {
    /// The caller that the API token identifies.
    pub caller: Caller,
    /// The granted scopes.
    pub scopes: ScopeSet,
    /// The bearer token: the API token's secret in the form of a JWT.
    pub bearer: SecretString,
    /// The remaining lifetime in whole seconds, rounded down.
    pub lifetime: Duration,
}

impl Authenticator {
    /// Logs in with an API token's id and secret. A valid secret with the id of another token is a failed attempt.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate).
    pub async fn log_in(
        &self,
        source: Source,
        id: &str,
        secret: &str,
        now: Timestamp,
    ) -> Result<Login, Denied> {
        // Only API tokens can log in, not the bootstrap token or access tokens; no secret is empty.
        let secret = if secret::is_api_token(secret) { secret } else { "" };
        let grant = self.authenticate(source, secret).await?;
        let is_named = matches!(&grant.caller, Caller::ApiToken { id: found, .. } if found.to_string() == id);
        let found = self.0.tokens.find(&secret::hash(secret)).await.map_err(|error| {
            tracing::error!(error = %Causes(&error), "an API token could not be looked up");
            Denied::StoreUnavailable
        })?;
        let Some(token) = found.filter(|_| is_named) else {
            self.0.failed.count(source);
            return Err(Denied::Invalid(TokenKind::Api));
        };
        let until = match token.expires_at {
            Some(end) => end,
            None => {
                now.saturating_add(LIFETIME_WITHOUT_EXPIRY).expect("a std Duration has no calendar units")
            }
        };
        let seconds = u64::try_from(now.duration_until(until).as_secs()).unwrap_or(0);
        Ok(Login {
            scopes: grant.scopes,
            caller: grant.caller,
            bearer: envelope::wrap(&token, secret, now, until),
            lifetime: Duration::from_secs(seconds),
        })
    }
}
