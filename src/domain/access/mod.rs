//! Who may do what.

mod caller;
mod rate;
mod scope;
mod scopes;
mod token;

pub use caller::Caller;
pub use rate::{InvalidRate, MAX_RATE_COUNT, Rate};
pub use scope::{Scope, UnknownScope};
pub use scopes::ScopeSet;
pub use token::{ApiToken, TokenHash, TokenId, TokenState};
