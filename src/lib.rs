//! logoutd: a durable back-channel logout token issuer that runs beside any OpenID Provider.
//!
//! # One way through
//!
//! ```text
//! source ──▶ intake ──▶ storage (one transaction) ──▶ delivery ──▶ token ▶ keyring ▶ egress ──▶ RP
//! (http)      │ plan: sessions × clients,       ▲        │ lease, attempt, classify
//!             │ initiators, metadata            └────────┘ settle: outcome, next time
//!             └─ 202 only after the commit
//! ```
//!
//! # Map
//!
//! | module | is for |
//! |---|---|
//! | [`domain`] | the meanings, and the pure planner: event + what is known → what to store |
//! | [`token`] | claims and header of a logout token, pure |
//! | [`keyring`] | signing keys: load, generate, rotate, sign, JWKS |
//! | [`egress`] | outgoing HTTP: address policy, resolver, the client for relying parties and issuers |
//! | [`storage`] | what is remembered, behind small traits; SQLite behind them |
//! | [`sources`] | where events come from: each kind parses its wire form into domain events; CloudEvents |
//! | [`intake`] | accepts domain events: plans and stores them in one transaction |
//! | [`registry`] | use cases on clients |
//! | [`delivery`] | the queue's workers: scheduler, dispatcher, attempts, settling, maintenance, redelivery |
//! | [`listen`] | connections of the listeners: limits, TLS handshakes, certificates kept up to date |
//! | [`access`] | who may do what: API tokens, access tokens, limits |
//! | [`http`] | routes, handlers |
//! | [`config`] | the configuration, parsed and checked |
//! | [`telemetry`] | the log, and Prometheus metrics |
//! | [`relying_party`] | the other side of the wire: checks tokens without sharing code with the issuer |
//! | [`cli`] | a file for each command |
//! | [`app`] | the composition root: builds the parts and runs them until shutdown |
//! | [`clock`], [`entropy`], [`shutdown`] | time, randomness and the signal to stop, as arguments |
//! | [`ambient`] | clock, entropy and metrics in one value, handed to each part |
//! | [`causes`] | an error with its causes, for the log |
//! | [`json`] | JSON in which no object has a key twice |
//! | [`authorities`] | bundles of certificate authorities at configured paths |
//! | [`files`] | files at configured paths: opened without waiting, and read up to a limit |
//! | [`watched_files`] | files that are read again when they change: fingerprints, polling, permissions |
//! | [`printable`] | untrusted text made safe to display; URLs without passwords |
//!
//! Which module may import which is a table in `tests/suite/layering.rs`, and a test.
//!
//! # Invariants
//!
//! - An event is acknowledged only after the commit of everything that follows from it.
//! - A delivery's row holds intent, never a token: every attempt signs a fresh one (`jti`, `iat`, `exp`,
//!   the current key).
//! - A leased row changes only under its lease's token; no transaction is open across an HTTP call.
//! - The store is the only memory of what is to be done; what is held in memory is bounded.
//! - Time and randomness are arguments; reading them ambiently is banned by `clippy.toml`.
//! - Tokens, secrets, `sub` and metadata values are in no log.

pub mod access;
pub mod ambient;
pub mod app;
pub mod authorities;
pub mod causes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod domain;
pub mod egress;
pub mod entropy;
pub mod files;
pub mod http;
pub mod intake;
pub mod json;
pub mod keyring;
pub mod listen;
pub mod printable;
pub mod registry;
pub mod relying_party;
pub mod shutdown;
pub mod sources;
pub mod storage;
pub mod telemetry;
pub mod token;
pub mod watched_files;
