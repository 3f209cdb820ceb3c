//! From the start of the process until it is ready, on a store and keys that exist; and its memory when it
//! has nothing to do.

use serde::Serialize;

use crate::bench::{Bench, DEFAULT_PER_CLIENT, HEALTHY, Outcome};
use crate::drive::Route;
use crate::events::Posting;
use crate::samples::median;
use crate::service::{Memory, Service, StoreView};
use crate::table::Table;

#[derive(Serialize)]
struct Startup {
    /// Settled deliveries in the store.
    deliveries: usize,
    /// Until it was ready, in milliseconds, of each start.
    starts_ms: Vec<f64>,
    median_ms: f64,
    idle: Memory,
}

pub async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let setup = bench.setup(DEFAULT_PER_CLIENT, &[bench.healthy()])?;
    let service = Service::start(&setup).await?;
    let store = StoreView::open(&setup.store()).await?;
    let clients = [HEALTHY.to_owned()];
    let route = Route {
        service: &service,
        store: &store,
        rp: &bench.rp,
        clients: &clients,
        posting: Posting::BATCHES,
    };
    let deliveries = route.drive(bench.sizes.warm_up).await?.deliveries;
    service.stop().await?;

    let mut starts_ms = Vec::with_capacity(bench.sizes.starts);
    for _ in 0..bench.sizes.starts {
        let service = Service::start(&setup).await?;
        starts_ms.push(service.ready_after.as_secs_f64() * 1e3);
        service.stop().await?;
    }
    let service = Service::start(&setup).await?;
    tokio::time::sleep(bench.sizes.idle_for).await;
    let idle = service.memory()?;
    service.stop().await?;

    let median_ms = median(starts_ms.clone()).unwrap_or_default();
    let startup = Startup { deliveries, starts_ms, median_ms, idle };
    Outcome::new(&startup, vec![startup.table()], Vec::new())
}

impl Startup {
    fn table(&self) -> Table {
        let mut table = Table::new("startup: with a store and keys that exist", ["", "", "unit"]);
        let starts: Vec<_> = self.starts_ms.iter().map(|it| format!("{it:.0}")).collect();
        let mut row = |name: &str, value: f64, unit: &str| {
            table.row([name.to_owned(), format!("{value:.1}"), unit.to_owned()]);
        };
        row("start of the process until /readyz is 200, median", self.median_ms, "ms");
        row("idle memory (RSS)", self.idle.rss_mib, "MiB");
        row("peak of it", self.idle.peak_mib, "MiB");
        table.note(format!(
            "starts: {} ms; {} settled deliveries in the store.",
            starts.join(", "),
            self.deliveries
        ));
        table
    }
}
