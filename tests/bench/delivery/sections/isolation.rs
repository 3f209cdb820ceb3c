//! What a client that hangs and one that is dead, each with a long queue, cost a healthy one.

use serde::Serialize;
use tokio::time::Instant;

use super::latency::{self, Paced};
use crate::bench::{Bench, DEFAULT_PER_CLIENT, Outcome};
use crate::events::{Posting, Terminations};
use crate::load::push;
use crate::service::{Party, Service, StoreView};
use crate::table::Table;
use crate::targets::Target;

const HANGING: &str = "hanging";
const DEAD: &str = "dead";

#[derive(Serialize)]
struct Isolation {
    /// Before, and afterwards on a service of its own.
    alone: [Paced; 2],
    beside: Paced,
    /// Of the p99s, to the lower one of those alone: a noisy moment must not flatter the service.
    ratio: f64,
    /// How long it took to report the events of the bad clients.
    filled_in_s: f64,
    before: Waiting,
    after: Waiting,
}

/// What waits for the bad clients.
#[derive(Clone, Copy, Serialize)]
struct Waiting {
    hanging: i64,
    dead: i64,
}

pub async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let parties = [
        bench.healthy(),
        Party::new(HANGING, Some(bench.rp.hanging_uri())),
        Party::new(DEAD, Some(bench.rp.dead_uri()?)),
    ];
    let setup = bench.setup(DEFAULT_PER_CLIENT, &parties)?;
    let service = Service::start(&setup).await?;
    let store = StoreView::open(&setup.store()).await?;
    let alone_before = alone(bench, &service).await?;

    let began = Instant::now();
    let posting = Posting::BATCHES;
    let requests = posting.requests(service.server, Terminations::at([HANGING, DEAD]), bench.sizes.waiting);
    push(service.server, requests, posting.connections()).await?;
    let filled_in_s = began.elapsed().as_secs_f64();

    let before = Waiting::now(&store).await?;
    let beside = latency::measure(&service, &bench.rp, bench.sizes.pace_for).await?;
    let after = Waiting::now(&store).await?;
    service.kill()?;

    let setup = bench.setup(DEFAULT_PER_CLIENT, &parties)?;
    let service = Service::start(&setup).await?;
    let alone = [alone_before, alone(bench, &service).await?];
    service.stop().await?;

    let ratio = beside.latency.p99_ms / alone[0].latency.p99_ms.min(alone[1].latency.p99_ms);
    let isolation = Isolation { alone, beside, ratio, filled_in_s, before, after };
    let target = Target::at_most("healthy p99 beside a hanging and a dead client / alone", ratio, 2.0);
    Outcome::new(&isolation, vec![isolation.table()], vec![target])
}

async fn alone(bench: &Bench, service: &Service) -> anyhow::Result<Paced> {
    latency::warm_up(service, &bench.rp).await?;
    latency::measure(service, &bench.rp, bench.sizes.pace_for).await
}

impl Isolation {
    fn table(&self) -> Table {
        let mut table = latency::table(
            "isolation: a healthy client at 100 events/s beside one that hangs and one that is dead",
        );
        table.row(latency::row("alone", &self.alone[0]));
        table.row(latency::row("beside them", &self.beside));
        table.row(latency::row("alone again", &self.alone[1]));
        table.note(format!("p99 beside them / the lower one alone: {:.2}", self.ratio));
        table.note(format!(
            "deliveries waiting, before and after: hanging {} and {}, dead {} and {}; reported in {:.1} s.",
            self.before.hanging, self.after.hanging, self.before.dead, self.after.dead, self.filled_in_s
        ));
        table
    }
}

impl Waiting {
    async fn now(store: &StoreView) -> anyhow::Result<Self> {
        Ok(Self { hanging: store.waiting(HANGING).await?, dead: store.waiting(DEAD).await? })
    }
}
