//! What a delivery costs while ever more wait for another client, and the memory that takes.
//!
//! The others wait for a client that takes requests and never answers: they are due, and held back only by
//! the cap on attempts for one client. They come in through the front door, as any backlog does.

use serde::Serialize;
use tokio::time::Instant;

use crate::bench::{Bench, HEALTHY, Outcome};
use crate::drive::{Driven, Route};
use crate::events::{Posting, Terminations};
use crate::floor::{Floor, Sent};
use crate::load::push;
use crate::samples::mean;
use crate::service::{Memory, Party, Service, Setup, StoreView};
use crate::table::{Table, whole};
use crate::targets::Target;

const HANGING: &str = "hanging";

/// How the backlog is reported: whoever fills a store to wait for it is in a hurry.
const FILL: Posting = Posting::Batches { of: 500, connections: 4 };

/// A service with a backlog.
pub struct Filled {
    pub service: Service,
    pub setup: Setup,
    pub store: StoreView,
    /// How many deliveries wait for the client that hangs.
    pub waiting: usize,
}

#[derive(Serialize)]
struct Level {
    waiting: usize,
    /// How long it took to add what the level before had not.
    filled_in_s: f64,
    /// Of a delivery for the healthy client, each time.
    cost_us: Vec<f64>,
    mean_us: f64,
    /// Of the machine at this time: what is different between levels is not all the backlog's.
    floor: Sent,
    memory: Memory,
    store_mib: f64,
    driven: Vec<Driven>,
}

pub async fn run(bench: &mut Bench) -> anyhow::Result<Outcome> {
    let mut filled = Filled::start(bench).await?;
    let mut levels = Vec::new();
    for waiting in bench.sizes.backlogs {
        let began = Instant::now();
        filled.fill(waiting).await?;
        let filled_in_s = began.elapsed().as_secs_f64();
        levels.push(level(bench, &filled, filled_in_s).await?);
    }
    bench.filled = Some(filled);
    Outcome::new(&levels, vec![table(&levels)], targets(&levels))
}

impl Filled {
    /// A service without a backlog yet.
    pub async fn start(bench: &Bench) -> anyhow::Result<Self> {
        let parties = [bench.healthy(), Party::new(HANGING, Some(bench.rp.hanging_uri()))];
        let setup = bench.setup(bench.options.concurrency, &parties)?;
        let service = Service::start(&setup).await?;
        let store = StoreView::open(&setup.store()).await?;
        Ok(Self { service, setup, store, waiting: 0 })
    }

    /// A service with the largest backlog.
    pub async fn to_the_brim(bench: &Bench) -> anyhow::Result<Self> {
        let mut filled = Self::start(bench).await?;
        filled.fill(bench.sizes.backlogs.into_iter().max().unwrap_or_default()).await?;
        Ok(filled)
    }

    /// Makes so many wait.
    pub async fn fill(&mut self, waiting: usize) -> anyhow::Result<()> {
        let missing = waiting.saturating_sub(self.waiting);
        let requests = FILL.requests(self.service.server, Terminations::at([HANGING]), missing);
        push(self.service.server, requests, FILL.connections()).await?;
        self.waiting += missing;
        let waiting = self.store.waiting(HANGING).await?;
        anyhow::ensure!(
            usize::try_from(waiting) == Ok(self.waiting),
            "{waiting} deliveries wait, and not {}",
            self.waiting
        );
        Ok(())
    }
}

async fn level(bench: &Bench, filled: &Filled, filled_in_s: f64) -> anyhow::Result<Level> {
    let floor = Floor::of(&filled.setup.config(), HEALTHY)?;
    let floor = floor.measure(bench.options.concurrency, bench.sizes.case / 2).await?;
    let clients = [HEALTHY.to_owned()];
    let route = Route {
        service: &filled.service,
        store: &filled.store,
        rp: &bench.rp,
        clients: &clients,
        posting: Posting::BATCHES,
    };
    let wanted = route.warm_up(bench.sizes.warm_up, bench.sizes.case).await?;
    let mut driven = Vec::with_capacity(bench.sizes.repeat);
    for _ in 0..bench.sizes.repeat {
        driven.push(route.drive(bench.options.deliveries.unwrap_or(wanted)).await?);
    }
    let cost_us: Vec<f64> = driven.iter().map(|driven| 1e6 / driven.per_second()).collect();
    let mean_us = mean(cost_us.iter().copied());
    #[expect(clippy::cast_precision_loss, reason = "a file of less than 2^52 bytes")]
    let store_mib = std::fs::metadata(filled.setup.store())?.len() as f64 / (1024.0 * 1024.0);
    let memory = filled.service.memory()?;
    Ok(Level { waiting: filled.waiting, filled_in_s, cost_us, mean_us, floor, memory, store_mib, driven })
}

fn table(levels: &[Level]) -> Table {
    let mut table = Table::new(
        "backlog: the cost of a healthy client's delivery while others wait for a client that hangs (ES256)",
        [
            "waiting",
            "µs/delivery",
            "mean",
            "cpu µs",
            "floor/s",
            "deliveries/s",
            "RSS MiB",
            "peak MiB",
            "store MiB",
            "filled in s",
        ],
    );
    for level in levels {
        let costs: Vec<_> = level.cost_us.iter().map(|cost| format!("{cost:.0}")).collect();
        table.row([
            level.waiting.to_string(),
            costs.join(" "),
            format!("{:.0}", level.mean_us),
            format!("{:.0}", mean(level.driven.iter().map(|driven| driven.cpu_us))),
            whole(level.floor.per_second),
            whole(1e6 / level.mean_us),
            format!("{:.1}", level.memory.rss_mib),
            format!("{:.1}", level.memory.peak_mib),
            format!("{:.0}", level.store_mib),
            format!("{:.1}", level.filled_in_s),
        ]);
    }
    table.note(
        "cpu µs: of the service, for each delivery. floor: the machine beside it, as under throughput.",
    );
    table.note("filled: events of one delivery each, in batches over HTTP; the time is for what was added.");
    table
}

fn targets(levels: &[Level]) -> Vec<Target> {
    let (Some(first), Some(last)) = (levels.first(), levels.last()) else { return Vec::new() };
    let (few, many) = (first.waiting, last.waiting);
    vec![
        Target::at_most(
            format!("cost of a delivery with {many} waiting / with {few}"),
            last.mean_us / first.mean_us,
            1.5,
        ),
        Target::at_most(format!("memory (RSS) with {many} waiting"), last.memory.rss_mib, 256.0)
            .in_unit(" MiB"),
    ]
}
