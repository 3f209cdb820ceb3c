//! `/.well-known/…`: what relying parties need to verify logout tokens.

pub(crate) mod jwks;
pub(crate) mod provider;
