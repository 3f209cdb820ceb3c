//! Who may do what: from the token of a request to its caller and what that may do.
//!
//! Three kinds of tokens are taken: the bootstrap token of the environment, API tokens that are in the store,
//! and, where an issuer is configured, its JWT access tokens. It knows neither routes nor HTTP, and makes no
//! decision about what is asked for.

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
use jwt::{AccessTokens, Refresher, Turn};
use limits::CallerLimit;
use tokens::Tokens;
use uses::Uses;

/// How often the upkeep looks for what is to be written.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often those who have been quiet are forgotten.
const FORGET_EVERY: Duration = Duration::from_mins(1);

/// What the access is made of.
pub struct AccessConfig {
    /// The bootstrap token, which has every scope.
    pub bootstrap: Option<SecretString>,
    /// `[access]`: rate limits, and the issuer of access tokens.
    pub settings: config::Access,
    /// Where API tokens are.
    pub store: Arc<dyn TokenStore>,
    /// Time, randomness and metrics.
    pub ambient: Ambient,
}

/// Somebody who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who it is.
    pub caller: Caller,
    /// What the token allows.
    pub scopes: ScopeSet,
    /// For which sources events may be reported with it.
    pub sources: SourceLimit,
}

impl Grant {
    /// The caller, if the token has this scope.
    pub fn require(self, scope: Scope) -> Result<Caller, Denied> {
        if self.scopes.contains(scope) { Ok(self.caller) } else { Err(Denied::InsufficientScope(scope)) }
    }
}

/// What kind of token was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An API token, or something that is no token at all.
    Api,
    /// A JWT access token.
    Access,
}

/// Why somebody was not let in. The texts are for the caller: they name nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It is no token of ours.
    #[error("The {} token is not valid", .0.as_str())]
    Invalid(TokenKind),
    /// Its time is over.
    #[error("The {} token has expired", .0.as_str())]
    Expired(TokenKind),
    /// It was revoked.
    #[error("The API token was revoked")]
    Revoked,
    /// It is a token, but not for this.
    #[error("Insufficient scope, expected any of: {0}")]
    InsufficientScope(Scope),
    /// Too many attempts from this source failed.
    #[error("Too many failed attempts to authenticate; try again later")]
    TooManyFailures {
        /// After how long it is heard again.
        retry_after: Duration,
    },
    /// The store could not be asked. The cause is in the log.
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
    /// Whether whoever guesses tokens gets this answer.
    fn is_failed_attempt(self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Expired(_) | Self::Revoked)
    }
}

/// Tells who a request comes from. Clones share what they know.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    bootstrap: Option<TokenHash>,
    tokens: Tokens,
    uses: Uses,
    access_tokens: Option<AccessTokens>,
    failed: FailedAttempts,
    limit: CallerLimit,
    store: Arc<dyn TokenStore>,
    ambient: Ambient,
}

/// What has to go on beside the requests, for as long as the service runs.
pub struct Upkeep {
    inner: Arc<Inner>,
    refresher: Option<Refresher>,
}

impl Authenticator {
    /// Puts the parts together.
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
            tokens: Tokens::new(Arc::clone(&store)),
            uses: Uses::default(),
            access_tokens,
            failed: FailedAttempts::new(settings.failed_attempts),
            limit: CallerLimit::new(settings.rate_limit),
            store,
            ambient,
        });
        Ok((Self(Arc::clone(&inner)), Upkeep { inner, refresher }))
    }

    /// Who bears `token`, and what it allows.
    ///
    /// A source that failed too often hears nothing more of why a token is refused, and what cannot be a token is
    /// not looked at any longer. What can be one still is: whoever shares an address with somebody who guesses,
    /// behind a proxy, is not shut out with him. Such lookups come one at a time, after all that is known.
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

    /// Counts a request against the caller's rate limit. `None` if there is none.
    pub fn spend(&self, caller: &Caller) -> Option<Budget> {
        self.0.limit.spend(caller, self.0.ambient.now())
    }
}

impl Inner {
    async fn look_up(&self, token: &str, after_others: bool) -> Result<Grant, Denied> {
        let hash = secret::hash(token);
        // Hashes, compared in constant time: how long it takes says nothing of the token.
        if self.bootstrap.as_ref().is_some_and(|known| known.matches(&hash)) {
            let sources = SourceLimit::Any;
            return Ok(Grant { caller: Caller::Bootstrap, scopes: ScopeSet::all(), sources });
        }
        if secret::is_api_token(token) {
            return self.api_token(&hash).await;
        }
        match &self.access_tokens {
            Some(access_tokens) if jwt::is_jwt(token) => {
                let turn = if after_others { Turn::AfterOthers } else { Turn::AtOnce };
                access_tokens.verify(token, &hash, turn, self.ambient.now()).await
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
            // The next use is written in a minute: it is only for people to look at.
            tracing::warn!(error = %Causes(&error), "the last use of API tokens could not be written");
        }
    }
}

impl Upkeep {
    /// Writes when tokens were last used, fetches keys, and forgets those who have been quiet; until draining
    /// is asked for.
    pub async fn run(self, shutdown: Shutdown) {
        let Self { inner, refresher } = self;
        let refresh = async {
            match refresher {
                Some(refresher) => refresher.run(shutdown.clone()).await,
                None => shutdown.draining().await,
            }
        };
        tokio::join!(refresh, look_after(&inner, &shutdown));
    }
}

async fn look_after(inner: &Inner, shutdown: &Shutdown) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut forgot_at = Instant::now();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.draining() => break,
        }
        inner.write_uses(false).await;
        if forgot_at.elapsed() >= FORGET_EVERY {
            inner.failed.forget_idle();
            inner.limit.forget_idle();
            forgot_at = Instant::now();
        }
    }
    inner.write_uses(true).await;
}
