//! The tests that go in by the front door: a real service, real sockets, a real database.

#![expect(unreachable_pub, reason = "the suite is one crate, nothing of it is exported")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests are outside: they have the real time and randomness"
)]

mod access;
mod api;
mod cli;
mod config;
mod delivery;
mod docs;
mod layering;
mod process;
mod storage;
mod support;
