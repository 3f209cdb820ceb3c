//! Use cases on clients: registering, changing and removing them, by the rules of the issuer.
//!
//! It decides who may be registered with what; how that is written on the wire is `http`'s, and how it is
//! stored is `storage`'s. Sessions are changed through `intake`, the one door for what ends them.

mod clients;

pub use clients::{ClientChanges, ClientError, ClientRegistry, ClientRegistryConfig, InvalidMember};
