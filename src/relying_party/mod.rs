//! A relying party: verifies logout tokens.
//!
//! It is written from the specifications alone, so that it can find mistakes of the issuer. It imports only
//! [`clock`](crate::clock) from this crate and must never import `token` or `keyring`. `logoutd verify`,
//! `logoutd mock-rp`, `logoutd demo` and the tests use it.

mod claims;
mod header;
mod json;
pub mod jwks;
pub mod keys;
pub mod mock;
pub mod rules;
mod signature;
#[cfg(test)]
pub(crate) mod test_support;
pub mod token;
pub mod verify;
