//! `cargo bench --bench delivery`: how fast deliveries are made, how late they are, and what a backlog and
//! bad clients cost, measured through the front door.
//!
//! Three processes: `logoutd serve` on a real disk, a relying party, and this one, which reports events and
//! measures the floor beside them. Nothing of the engine's inside is known here but the store's table of
//! deliveries, which is only read. What is measured, and how, is in `docs/performance.md`.

#![expect(unreachable_pub, reason = "the bench is one crate, nothing of it is exported")]

mod bench;
mod cpu;
mod drive;
mod events;
mod floor;
mod http;
mod load;
mod machine;
mod options;
mod relying_party;
mod report;
mod samples;
mod sections;
mod service;
mod table;
mod targets;

use std::process::ExitCode;

use anstream::eprintln;
use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::options::{Options, RELYING_PARTY};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(RELYING_PARTY) {
        return status(relying_party::run().map(|()| true));
    }
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    status(runtime.context("no runtime").and_then(|runtime| runtime.block_on(run(options))))
}

/// A target that is missed is no failure: a noisy machine must not break a build. A figure that could not
/// be taken is.
fn status(result: anyhow::Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whichever way this ends, processes and folders go with what is dropped here.
async fn run(options: Options) -> anyhow::Result<bool> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        biased;
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("terminated"),
        result = report::run(options) => result,
    }
}
