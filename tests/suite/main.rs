//! The tests that go in by the front door: a real service, real sockets, a real database.

#![expect(unreachable_pub, reason = "the suite is one crate, nothing of it is exported")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests are outside: they have the real time and randomness"
)]

mod access;
mod bad_input;
mod clients;
mod clients_from_the_shell;
mod command_line;
mod confidential;
mod config;
mod dead_letters;
mod delivery;
mod engine;
mod events;
mod help;
mod intake_memory;
mod layering;
mod logs;
mod openapi;
mod process;
mod receivers;
mod retention;
mod sensitive_metadata;
mod sessions;
mod sessions_from_the_shell;
mod signing_keys;
mod subjects;
mod support;
mod tls;
mod tokens;
mod upgrades;
mod wire_forms;
