//! The other side of the wire: what a relying party does with a logout token.
//!
//! Written against the specifications alone, so that it finds the issuer's mistakes: of this crate it
//! imports only [`clock`](crate::clock), and it must never import `token` or `keyring`. `logoutd verify`,
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
