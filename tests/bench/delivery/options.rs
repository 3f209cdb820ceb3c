//! What can be asked of the bench, and how much of everything that means.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// The argument that makes this program the relying party. It is no option of the bench.
pub const RELYING_PARTY: &str = "--as-relying-party";

/// Measures logoutd through its front door: deliveries per second against the bare cost of sending a token,
/// latency, isolation, and what a backlog costs.
#[derive(Clone, Debug, Parser)]
#[command(bin_name = "cargo bench --bench delivery --", max_term_width = 100)]
pub struct Options {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Run these sections only.
    #[arg(long, value_name = "NAME,…", value_enum, value_delimiter = ',')]
    pub only: Vec<Section>,
    /// Run a small version of everything in less than a minute, to see that it works: its figures are too
    /// noisy to judge by.
    #[arg(long)]
    pub quick: bool,
    /// How many deliveries an end-to-end case makes. By default as many as take about 4 seconds.
    #[arg(long, value_name = "N")]
    pub deliveries: Option<usize>,
    /// How many attempts are under way at a time, in all, where throughput is measured.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(8..=512))]
    pub concurrency: u32,
    /// Where the stores are put. It should be on a disk.
    #[arg(long, value_name = "FOLDER", default_value = env!("CARGO_TARGET_TMPDIR"))]
    pub folder: PathBuf,
    /// What `cargo bench` passes.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A section of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Section {
    /// Deliveries per second, end to end, against the floor.
    Throughput,
    /// From the report of an event to its token at the relying party.
    Latency,
    /// Events per second that are taken, delivered or not.
    Acceptance,
    /// Cold start, and memory when idle.
    Startup,
    /// What a client that hangs and one that is dead cost a healthy one.
    Isolation,
    /// What waiting deliveries cost the others.
    Backlog,
    /// After kill -9 with a backlog and under load.
    Recovery,
    /// What a session costs among ten million.
    Sessions,
}

impl Section {
    /// Every section, in the order they run in.
    pub const ALL: [Self; 8] = [
        Self::Throughput,
        Self::Latency,
        Self::Acceptance,
        Self::Startup,
        Self::Isolation,
        Self::Backlog,
        Self::Recovery,
        Self::Sessions,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Latency => "latency",
            Self::Acceptance => "acceptance",
            Self::Startup => "startup",
            Self::Isolation => "isolation",
            Self::Backlog => "backlog",
            Self::Recovery => "recovery",
            Self::Sessions => "sessions",
        }
    }
}

impl Options {
    pub fn sections(&self) -> Vec<Section> {
        Section::ALL.into_iter().filter(|it| self.only.is_empty() || self.only.contains(it)).collect()
    }

    pub fn sizes(&self) -> Sizes {
        if self.quick { Sizes::QUICK } else { Sizes::FULL }
    }
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// How long a throughput case takes, about.
    pub case: Duration,
    /// How many deliveries go before one.
    pub warm_up: usize,
    /// How often a figure that a disk disturbs is taken.
    pub repeat: usize,
    /// How long events are reported at a steady pace.
    pub pace_for: Duration,
    /// How long events are pushed without regard to their delivery.
    pub accept_for: Duration,
    /// How often the service is started.
    pub starts: usize,
    /// How long it is left alone before its memory is looked at.
    pub idle_for: Duration,
    /// How many deliveries wait for each bad client where isolation is measured.
    pub waiting: usize,
    /// How many deliveries wait where their cost is measured.
    pub backlogs: [usize; 3],
    /// How many live sessions there are where their cost is measured.
    pub sessions: [i64; 2],
}

impl Sizes {
    const FULL: Self = Self {
        case: Duration::from_secs(4),
        warm_up: 4_000,
        repeat: 2,
        pace_for: Duration::from_secs(20),
        accept_for: Duration::from_secs(4),
        starts: 5,
        idle_for: Duration::from_secs(5),
        waiting: 50_000,
        backlogs: [1_000, 100_000, 1_000_000],
        sessions: [10_000, 10_000_000],
    };

    const QUICK: Self = Self {
        case: Duration::from_millis(500),
        warm_up: 400,
        repeat: 1,
        pace_for: Duration::from_secs(2),
        accept_for: Duration::from_millis(300),
        starts: 2,
        idle_for: Duration::from_secs(1),
        waiting: 1_000,
        backlogs: [1_000, 3_000, 10_000],
        sessions: [1_000, 20_000],
    };
}
