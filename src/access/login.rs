//! Logging in with an API token's id and secret, for tools that insist on it (OAuth 2.0, client credentials).

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use super::{Authenticator, Denied, Source, TokenKind, envelope, secret};
use crate::causes::Causes;
use crate::domain::access::{Caller, ScopeSet};

/// After how long a tool logs in again whose API token never expires: what Auth0's tokens for its API live by default.
/// Tools ask for a time (Auth0's SDK for Python fails without), and the bearer token goes on being of use after it.
const UNLIMITED: Duration = Duration::from_hours(24);

/// What somebody gets who logged in.
pub struct Login {
    /// Whose API token it is.
    pub caller: Caller,
    /// What it allows.
    pub scopes: ScopeSet,
    /// The bearer token. It is the API token's secret in another form.
    pub bearer: SecretString,
    /// For how long it is good; whole seconds, rounded down.
    pub lifetime: Duration,
}

impl Authenticator {
    /// Logs the API token with this id and this secret in. A right secret with another's id is a failed attempt, like
    /// any wrong one.
    pub async fn log_in(
        &self,
        source: Source,
        id: &str,
        secret: &str,
        now: Timestamp,
    ) -> Result<Login, Denied> {
        // Nothing else can be one, and nothing else is let through by this way.
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
            None => now.saturating_add(UNLIMITED).expect("a std Duration has no calendar units"),
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
