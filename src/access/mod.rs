//! Authentication: from a request's bearer token to its caller, scopes and rate limit.
//!
//! Three kinds of tokens are accepted: the bootstrap token from the environment, API tokens from the store, and, if an
//! issuer is configured, its JWT access tokens. This module knows neither routes nor HTTP; which scope a route
//! requires is up to its handler.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::config;
use crate::domain::access::{Caller, Scope, ScopeSet, SourceLimit, TokenHash, TokenState};
use crate::shutdown::Shutdown;
use crate::storage::TokenStore;

mod envelope;
mod failures;
mod jwt;
mod limits;
mod login;
mod proxies;
pub mod secret;
mod tokens;
mod uses;

pub use jwt::JwtError;
pub use limits::{Budget, Source};
pub use login::Login;
pub use proxies::TrustedProxies;

use failures::FailedAttempts;
use jwt::{AccessTokens, Concurrency, Refresher};
use limits::CallerLimit;
use tokens::TokenCache;
use uses::Uses;

/// How often pending last-used times of API tokens are written.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// How often idle entries of the rate limits are removed.
const PURGE_INTERVAL: Duration = Duration::from_mins(1);

/// The settings and dependencies of an [`Authenticator`].
pub struct AccessConfig {
    /// The bootstrap token, which has every scope.
    pub bootstrap: Option<SecretString>,
    /// `[access]`: rate limits, and the issuer of access tokens.
    pub settings: config::Access,
    /// The store of API tokens.
    pub store: Arc<dyn TokenStore>,
    /// Time, randomness and metrics.
    pub ambient: Ambient,
}

/// An authenticated caller and what its token grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The caller.
    pub caller: Caller,
    /// The granted scopes.
    pub scopes: ScopeSet,
    /// The event sources for which it may report.
    pub sources: SourceLimit,
}

impl Grant {
    /// The caller, if the token has this scope.
    ///
    /// # Errors
    /// [`Denied::InsufficientScope`] otherwise.
    pub fn require(self, scope: Scope) -> Result<Caller, Denied> {
        if self.scopes.contains(scope) { Ok(self.caller) } else { Err(Denied::InsufficientScope(scope)) }
    }
}

/// The kind of token that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An API token, or text in no known format.
    Api,
    /// A JWT access token.
    Access,
}

/// Why a request is denied. The messages are sent to the caller and contain no part of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The token is unknown or malformed, or its signature or claims are wrong.
    #[error("The {} token is not valid", .0.as_str())]
    Invalid(TokenKind),
    /// The token has expired.
    #[error("The {} token has expired", .0.as_str())]
    Expired(TokenKind),
    /// The token was revoked.
    #[error("The API token was revoked")]
    Revoked,
    /// The token is valid but lacks this scope.
    #[error("Insufficient scope, expected any of: {0}")]
    InsufficientScope(Scope),
    /// Too many attempts from this source failed.
    #[error("Too many failed attempts to authenticate; try again later")]
    TooManyFailures {
        /// When the source is no longer blocked.
        retry_after: Duration,
    },
    /// The store could not be read. The cause is in the log.
    #[error("The store is not available; try again")]
    StoreUnavailable,
    /// The keys of the issuer of access tokens could not be fetched. The cause is in the log.
    #[error("The keys of the access token's issuer are not available; try again")]
    KeysUnavailable,
}

impl TokenKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "API",
            Self::Access => "access",
        }
    }
}

impl Denied {
    /// Whether it counts as a failed attempt of its source: the answers that token guessing gets.
    fn is_failed_attempt(self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Expired(_) | Self::Revoked)
    }
}

/// Authenticates bearer tokens. Clones share their state.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    bootstrap: Option<TokenHash>,
    tokens: TokenCache,
    uses: Uses,
    access_tokens: Option<AccessTokens>,
    failed: FailedAttempts,
    limit: CallerLimit,
    store: Arc<dyn TokenStore>,
    ambient: Ambient,
}

/// The background tasks of an [`Authenticator`].
pub struct Upkeep {
    inner: Arc<Inner>,
    refresher: Option<Refresher>,
}

impl Authenticator {
    /// Sets up authentication and its background tasks.
    ///
    /// # Errors
    /// If the configured CA file cannot be used, or TLS cannot be set up.
    pub fn new(config: AccessConfig) -> Result<(Self, Upkeep), JwtError> {
        let AccessConfig { bootstrap, settings, store, ambient } = config;
        let (access_tokens, refresher) = match settings.jwt {
            Some(jwt) => {
                let (access_tokens, refresher) = AccessTokens::new(jwt)?;
                (Some(access_tokens), Some(refresher))
            }
            None => (None, None),
        };
        let inner = Arc::new(Inner {
            bootstrap: bootstrap.map(|token| secret::hash(token.expose_secret())),
            tokens: TokenCache::new(Arc::clone(&store)),
            uses: Uses::default(),
            access_tokens,
            failed: FailedAttempts::new(settings.failed_attempts),
            limit: CallerLimit::new(settings.rate_limit),
            store,
            ambient,
        });
        Ok((Self(Arc::clone(&inner)), Upkeep { inner, refresher }))
    }

    /// Authenticates the bearer of `token`.
    ///
    /// A blocked source (one with too many failed attempts) gets [`Denied::TooManyFailures`] instead of the reason of a
    /// failure. Its tokens are still checked, because a valid caller may share the address, for example behind a proxy.
    /// Access tokens from a blocked source are verified one at a time, except those that were verified recently; API
    /// tokens missing from the cache are always looked up one at a time.
    ///
    /// # Errors
    /// If the token does not identify a caller, or its validity cannot be determined at the moment.
    pub async fn authenticate(&self, source: Source, token: &str) -> Result<Grant, Denied> {
        let token = envelope::secret_of(token);
        let blocked_for = self.0.failed.blocked_for(source);
        let outcome = self.0.look_up(token, blocked_for.is_some()).await;
        if !outcome.as_ref().is_err_and(|denied| denied.is_failed_attempt()) {
            return outcome;
        }
        self.0.failed.count(source);
        match blocked_for {
            Some(retry_after) => Err(Denied::TooManyFailures { retry_after }),
            None => outcome,
        }
    }

    /// Counts a request against the caller's rate limit. `None` if no limit is configured.
    pub fn spend(&self, caller: &Caller) -> Option<Budget> {
        self.0.limit.spend(caller, self.0.ambient.now())
    }
}

impl Inner {
    async fn look_up(&self, token: &str, is_blocked: bool) -> Result<Grant, Denied> {
        let hash = secret::hash(token);
        // Comparing hashes in constant time leaks nothing about the token.
        if self.bootstrap.as_ref().is_some_and(|known| known.matches(&hash)) {
            let sources = SourceLimit::Any;
            return Ok(Grant { caller: Caller::Bootstrap, scopes: ScopeSet::all(), sources });
        }
        if secret::is_api_token(token) {
            return self.api_token(&hash).await;
        }
        match &self.access_tokens {
            Some(access_tokens) if jwt::is_jwt(token) => {
                let concurrency = if is_blocked { Concurrency::Serial } else { Concurrency::Parallel };
                access_tokens.verify(token, &hash, concurrency, self.ambient.now()).await
            }
            _ => Err(Denied::Invalid(TokenKind::Api)),
        }
    }

    async fn api_token(&self, hash: &TokenHash) -> Result<Grant, Denied> {
        let found = self.tokens.find(hash).await.map_err(|error| {
            tracing::error!(error = %Causes(&error), "an API token could not be looked up");
            Denied::StoreUnavailable
        })?;
        let token = found.ok_or(Denied::Invalid(TokenKind::Api))?;
        let now = self.ambient.now();
        match token.state(now) {
            TokenState::Revoked => return Err(Denied::Revoked),
            TokenState::Expired => return Err(Denied::Expired(TokenKind::Api)),
            TokenState::Active => {}
        }
        self.uses.note(token.id, now);
        let caller = Caller::ApiToken { id: token.id, name: token.name.clone() };
        Ok(Grant { caller, scopes: token.scopes, sources: token.sources.clone() })
    }

    async fn write_uses(&self, all: bool) {
        let due = self.uses.take_due(Instant::now(), all);
        if due.is_empty() {
            return;
        }
        if let Err(error) = self.store.note_uses(&due).await {
            // No retry: this value is informational, and the next use is written within a minute.
            tracing::warn!(error = %Causes(&error), "the last use of API tokens could not be written");
        }
    }
}

impl Upkeep {
    /// Writes last-used times of API tokens, fetches the issuer's keys and removes idle rate limit entries, until the
    /// service drains.
    pub async fn run(self, shutdown: Shutdown) {
        let Self { inner, refresher } = self;
        let refresh = async {
            match refresher {
                Some(refresher) => refresher.run(shutdown.clone()).await,
                None => shutdown.draining().await,
            }
        };
        tokio::join!(refresh, write_and_purge(&inner, &shutdown));
    }
}

async fn write_and_purge(inner: &Inner, shutdown: &Shutdown) {
    let mut ticks = interval(WRITE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut purged_at = Instant::now();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.draining() => break,
        }
        inner.write_uses(false).await;
        if purged_at.elapsed() >= PURGE_INTERVAL {
            inner.failed.remove_idle();
            inner.limit.remove_idle();
            purged_at = Instant::now();
        }
    }
    inner.write_uses(true).await;
}
