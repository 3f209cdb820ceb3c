//! Outgoing HTTP: posts logout tokens to relying parties, and fetches documents whose URLs an operator configured.
//!
//! Relying parties choose the addresses that logoutd connects to (SSRF), so every address is checked: literal ones in
//! the URI, resolved ones in the resolver. No connection is made to an address that was not checked. What an answer
//! means for a delivery is decided in `delivery`.

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
