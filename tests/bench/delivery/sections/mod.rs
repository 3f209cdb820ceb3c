//! The measurements, a file for each section.

mod acceptance;
mod backlog;
mod isolation;
mod latency;
mod recovery;
mod sessions;
mod startup;
mod throughput;

pub use backlog::Filled;

use crate::bench::{Bench, Outcome};
use crate::options::Section;

/// Runs a section on services of its own.
pub async fn run(section: Section, bench: &mut Bench) -> anyhow::Result<Outcome> {
    match section {
        Section::Throughput => throughput::run(bench).await,
        Section::Latency => latency::run(bench).await,
        Section::Acceptance => acceptance::run(bench).await,
        Section::Startup => startup::run(bench).await,
        Section::Isolation => isolation::run(bench).await,
        Section::Backlog => backlog::run(bench).await,
        Section::Recovery => recovery::run(bench).await,
        Section::Sessions => sessions::run(bench).await,
    }
}
