//! What must hold when something breaks: crashes, full and read-only disks, clocks that jump, crowds of dead
//! relying parties, workers that were paused.
//!
//! Real processes, real sockets and the real file, seen from outside only: what these tests rely on is the
//! contract, not how the service keeps it. The figures that they print are shown by
//! `cargo nextest run --test faults --success-output final`.

#![expect(unreachable_pub, reason = "the tests are one crate, nothing of it is exported")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests are outside: they have the real time and randomness"
)]

mod clock;
mod counting_rp;
mod crash;
mod crowd;
mod disk;
mod fencing;
mod io_errors;
mod mount;
mod ownership;
mod source;
#[expect(dead_code, reason = "it is the suite's, which uses all of it")]
#[path = "../suite/support/mod.rs"]
mod support;
