//! Deliveries per second, end to end, against the floor: both in one run, the floor before and after.

use logoutd::domain::algorithm::SigningAlg;
use serde::Serialize;

use crate::bench::{Bench, Outcome};
use crate::drive::{Driven, Route};
use crate::events::Posting;
use crate::floor::{Floor, Sent};
use crate::samples::mean;
use crate::service::{Party, Service, StoreView};
use crate::table::{Table, whole};
use crate::targets::Target;

const ALGS: [SigningAlg; 3] = [SigningAlg::Es256, SigningAlg::Rs256, SigningAlg::EdDsa];

/// How many clients each session has.
const CLIENTS: [u32; 2] = [1, 8];

#[derive(Serialize)]
struct Throughput {
    /// Attempts at a time, of the floor and of the service.
    concurrency: u32,
    cases: Vec<Case>,
}

#[derive(Serialize)]
struct Case {
    alg: SigningAlg,
    clients: u32,
    posting: String,
    /// Of the rounds: the mean.
    ratio: f64,
    rounds: Vec<Round>,
}

#[derive(Serialize)]
struct Round {
    /// Before and after.
    floor: [Sent; 2],
    end_to_end: f64,
    /// To the mean of the floors.
    ratio: f64,
    driven: Driven,
}

pub async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let mut cases = Vec::new();
    for alg in ALGS {
        for clients in CLIENTS {
            cases.extend(measure(bench, alg, clients).await?);
        }
    }
    let throughput = Throughput { concurrency: bench.options.concurrency, cases };
    Outcome::new(&throughput, vec![throughput.table()], throughput.targets())
}

async fn measure(bench: &Bench, alg: SigningAlg, clients: u32) -> anyhow::Result<Vec<Case>> {
    let parties = bench.healthy_many(alg, clients);
    let per_client = bench.options.concurrency / clients;
    let floor = Floor::new(&bench.setup(per_client, &parties)?.config())?;
    let measure_floor = async || {
        floor.measure(bench.options.concurrency, bench.sizes.case / 8).await?;
        floor.measure(bench.options.concurrency, bench.sizes.case).await
    };
    let postings = match alg {
        SigningAlg::Es256 => vec![Posting::BATCHES, Posting::SINGLY],
        _ => vec![Posting::BATCHES],
    };

    let mut rounds: Vec<Vec<Round>> = postings.iter().map(|_| Vec::new()).collect();
    let mut before = measure_floor().await?;
    for _ in 0..bench.sizes.repeat {
        let mut driven = Vec::with_capacity(postings.len());
        for posting in &postings {
            driven.push(end_to_end(bench, per_client, &parties, *posting).await?);
        }
        let after = measure_floor().await?;
        for (rounds, driven) in rounds.iter_mut().zip(driven) {
            rounds.push(Round::new([before, after], driven));
        }
        before = after;
    }
    let cases = postings.into_iter().zip(rounds).map(|(posting, rounds)| Case {
        alg,
        clients,
        posting: posting.to_string(),
        ratio: mean(rounds.iter().map(|round| round.ratio)),
        rounds,
    });
    Ok(cases.collect())
}

async fn end_to_end(
    bench: &Bench,
    per_client: u32,
    parties: &[Party],
    posting: Posting,
) -> anyhow::Result<Driven> {
    let setup = bench.setup(per_client, parties)?;
    let service = Service::start(&setup).await?;
    let store = StoreView::open(&setup.store()).await?;
    let clients: Vec<_> = parties.iter().map(|party| party.client_id.clone()).collect();
    let route = Route { service: &service, store: &store, rp: &bench.rp, clients: &clients, posting };
    let wanted = route.warm_up(bench.sizes.warm_up, bench.sizes.case).await?;
    let driven = route.drive(bench.options.deliveries.unwrap_or(wanted)).await?;
    service.stop().await?;
    Ok(driven)
}

impl Round {
    fn new(floor: [Sent; 2], driven: Driven) -> Self {
        let end_to_end = driven.per_second();
        let ratio = end_to_end / mean(floor.map(|sent| sent.per_second));
        Self { floor, end_to_end, ratio, driven }
    }
}

impl Throughput {
    fn table(&self) -> Table {
        let title = "throughput: deliveries per second, end to end and durable, against the floor";
        let mut table = Table::new(
            title,
            [
                "alg",
                "clients",
                "events posted",
                "floor before",
                "after",
                "end to end",
                "ratio",
                "floor cpu µs",
                "service",
                "deliveries",
                "s",
            ],
        );
        for (case, round) in self.cases.iter().flat_map(|it| it.rounds.iter().map(move |round| (it, round))) {
            let [before, after] = round.floor;
            table.row([
                case.alg.to_string(),
                case.clients.to_string(),
                case.posting.clone(),
                whole(before.per_second),
                whole(after.per_second),
                whole(round.end_to_end),
                format!("{:.2}", round.ratio),
                format!("{:.0}", mean([before.cpu_us, after.cpu_us])),
                format!("{:.0}", round.driven.cpu_us),
                round.driven.deliveries.to_string(),
                format!("{:.1}", round.driven.settled_s),
            ]);
        }
        table.note(format!(
            "{} attempts at a time in all, of the floor and of the service \
             (delivery.max_concurrency_per_client = {} for 1 client, {} for 8).",
            self.concurrency,
            self.concurrency,
            self.concurrency / 8
        ));
        table.note(
            "ratio: to the mean of the floors before and after. cpu: of the sending process, for each token.",
        );
        table
    }

    fn targets(&self) -> Vec<Target> {
        let bound = |alg| match alg {
            SigningAlg::Es256 => Some(0.6),
            SigningAlg::Rs256 => Some(0.85),
            _ => None,
        };
        let batches = Posting::BATCHES.to_string();
        let judged = self.cases.iter().filter(|case| case.posting == batches);
        judged
            .filter_map(|case| {
                let clients = if case.clients == 1 { "client" } else { "clients" };
                let what = format!("{} end to end / floor, {} {clients}", case.alg, case.clients);
                Some(Target::at_least(what, case.ratio, bound(case.alg)?))
            })
            .collect()
    }
}
