//! Callers, scopes, API tokens and rate limits.

mod caller;
mod rate;
mod reporter;
mod scope;
mod scopes;
mod sources;
mod token;

pub use caller::Caller;
pub use rate::{InvalidRate, MAX_RATE_COUNT, Rate};
pub use reporter::{Reporter, ReporterKey};
pub use scope::{Scope, UnknownScope};
pub use scopes::ScopeSet;
pub use sources::{EventSource, InvalidEventSource, SourceLimit};
pub use token::{ApiToken, TokenHash, TokenId, TokenState};
