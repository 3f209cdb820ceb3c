//! `logoutd deliveries breakers`.

use clap::Args;

use super::{Api, ApiArgs, print_json, seconds, text};
use crate::cli::style::{DIM, WAITING, paint};
use crate::cli::terminal::println;

#[derive(Debug, Args)]
pub(super) struct BreakersArgs {
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: BreakersArgs) -> anyhow::Result<()> {
    let answer = Api::new(&args.api)?.get("/api/v2/breakers", &[]).await?;
    if args.api.json {
        print_json(&answer);
        return Ok(());
    }
    let breakers = answer["breakers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if breakers.is_empty() {
        println!("no circuit breaker is open");
        return Ok(());
    }
    println!(
        "{}",
        paint(DIM, format_args!("{:<24}  {:<9}  {:<19}  NEXT PROBE (UTC)", "CLIENT", "STATE", "SINCE"))
    );
    for breaker in breakers {
        println!(
            "{:<24}  {}  {:<19}  {}",
            text(breaker, "client_id"),
            paint(WAITING, format_args!("{:<9}", text(breaker, "state"))),
            seconds(text(breaker, "since")),
            seconds(text(breaker, "until")),
        );
    }
    Ok(())
}
