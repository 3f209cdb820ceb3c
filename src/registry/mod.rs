//! Use cases on clients: they are registered, changed and removed by the rules of the issuer.
//!
//! The registry decides which clients are valid; `http` parses requests and formats answers, `storage` stores. Sessions
//! change through `intake`, since only that ends them.

mod clients;

pub use clients::{ClientChanges, ClientError, ClientRegistry, ClientRegistryConfig, InvalidMember};
