//! `logoutd deliveries redeliver`: by id, or by filter as a job whose progress is printed.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Api, ApiArgs, FilterArgs, Segment, print_json, text};
use crate::cli::WrongUsage;
use crate::cli::api::Refused;
use crate::cli::style::{GOOD, paint};
use crate::cli::terminal::println;

/// How often the state of a job is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct RedeliverArgs {
    /// The ids of deliveries
    #[arg(value_name = "DELIVERY")]
    ids: Vec<Segment>,
    #[command(flatten)]
    filter: FilterArgs,
    /// All that were rejected or exhausted; implied by any filter
    #[arg(long)]
    all: bool,
    /// Return once the job is stored, without waiting for it to complete
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: RedeliverArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.api)?;
    let filter = args.filter.members();
    match (args.ids.is_empty(), filter.is_empty() && !args.all) {
        (true, true) => Err(WrongUsage::error("give ids of deliveries, a filter, or --all")),
        (false, false) => Err(WrongUsage::error("give ids of deliveries or a filter, not both")),
        (false, true) => by_id(&api, &args.ids, args.api.json).await,
        (true, false) => by_filter(&api, filter, &args).await,
    }
}

async fn by_id(api: &Api, ids: &[Segment], json: bool) -> anyhow::Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    for id in ids {
        match api.post(&format!("/api/v2/deliveries/{id}/redeliver"), None).await {
            Ok(delivery) if json => print_json(&delivery),
            Ok(delivery) => {
                println!("{} {} {}", paint(GOOD, "✓"), id.text(), text(&delivery, "state"));
            }
            // The reason has been printed; continue with the others.
            Err(error) if error.is::<Refused>() => status = ExitCode::FAILURE,
            Err(error) => return Err(error),
        }
    }
    Ok(status)
}

async fn by_filter(
    api: &Api,
    filter: Vec<(&'static str, String)>,
    args: &RedeliverArgs,
) -> anyhow::Result<ExitCode> {
    let member = |(name, value): (&str, String)| {
        let value = match name {
            "state" => json!(value.split(',').collect::<Vec<_>>()),
            _ => json!(value),
        };
        (name.to_owned(), value)
    };
    let body = Value::Object(filter.into_iter().map(member).collect::<Map<_, _>>());
    let mut job = api.post("/api/v2/deliveries/redeliver", Some(&body)).await?;
    let path = format!("/api/v2/jobs/{}", text(&job, "id"));
    if !args.api.json {
        let at_least = if job["matched_is_final"] == false { "at least " } else { "" };
        println!("job {}: {at_least}{} deliveries match", text(&job, "id"), job["matched"]);
    }
    while !args.no_wait && job["status"] != "completed" {
        tokio::time::sleep(POLL_INTERVAL).await;
        job = api.get(&path, &[]).await?;
        if !args.api.json {
            println!(
                "  {:>3} %  {} back in the queue",
                job["percentage_done"].to_string(),
                job["redelivered"]
            );
        }
    }
    if args.api.json {
        print_json(&job);
    } else if job["skipped"] != 0 {
        println!(
            "  {} skipped: their clients are no longer subscribed, or they have changed meanwhile",
            job["skipped"]
        );
    }
    Ok(ExitCode::SUCCESS)
}
