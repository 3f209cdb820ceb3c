//! The way out: where logout tokens may be sent, and how; and how documents are fetched that an operator names.
//!
//! Relying parties name the addresses logoutd connects to, so every one is checked: literal ones in the
//! URI, resolved ones in the resolver, and nothing is dialled that was not checked. Nothing here knows
//! deliveries: what an answer means is `delivery`'s to say.

mod address;
mod client;
mod fetch;
mod outbound;
mod policy;

pub use address::AddressClass;
pub use client::{Answer, Egress, EgressConfig, EgressError, Posted};
pub use fetch::{FetchError, Fetcher};
pub use outbound::{SendError, SendErrorKind, TlsError};
pub use policy::{ForbiddenAddress, Policy, PolicyError};

#[cfg(test)]
mod tests;
