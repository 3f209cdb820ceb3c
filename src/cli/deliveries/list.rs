//! `logoutd deliveries list`.

use clap::Args;
use serde_json::Value;

use super::{Api, ApiArgs, FilterArgs, print_json, seconds, text};
use crate::cli::style::{DIM, paint, state_style};
use crate::cli::terminal::println;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Only of this session
    #[arg(long, value_name = "SID")]
    sid: Option<String>,
    /// The page size, from 1 to 100
    #[arg(long, value_name = "N")]
    take: Option<u32>,
    /// Continue after this delivery: the `next` of the previous page
    #[arg(long, value_name = "ID")]
    from: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: ListArgs) -> anyhow::Result<()> {
    let mut query = args.filter.members();
    query.extend(args.sid.map(|sid| ("sid", sid)));
    query.extend(args.take.map(|take| ("take", take.to_string())));
    let answer = page(&Api::new(&args.api)?, &query, args.from).await?;
    if args.api.json {
        print_json(&answer);
        return Ok(());
    }
    let deliveries = answer["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
    if deliveries.is_empty() {
        println!("no deliveries");
        return Ok(());
    }
    let heading = format!(
        "{:<36}  {:<10}  {:<20}  {:<16}  {:<19}  TRIES",
        "DELIVERY", "STATE", "CLIENT", "INITIATOR", "CREATED (UTC)"
    );
    println!("{}", paint(DIM, heading));
    for delivery in deliveries {
        row(delivery);
    }
    if let Some(next) = answer["next"].as_str() {
        println!("{}", paint(DIM, format_args!("more: --from {next}")));
    }
    Ok(())
}

/// The next page that is not empty. The service examines a bounded number of deliveries per page, and possibly none of them
/// match.
async fn page(
    api: &Api,
    query: &[(&'static str, String)],
    mut from: Option<String>,
) -> anyhow::Result<Value> {
    loop {
        let mut query = query.to_vec();
        query.extend(from.map(|from| ("from", from)));
        let answer = api.get("/api/v2/deliveries", &query).await?;
        match answer["next"].as_str() {
            Some(next) if answer["deliveries"] == Value::Array(Vec::new()) => from = Some(next.to_owned()),
            _ => return Ok(answer),
        }
    }
}

fn row(delivery: &Value) {
    let state = text(delivery, "state");
    println!(
        "{:<36}  {}  {:<20}  {:<16}  {:<19}  {}{}",
        text(delivery, "id"),
        // Padded before it is painted, because escape sequences have no width.
        paint(state_style(state), format_args!("{state:<10}")),
        text(delivery, "client_id"),
        text(delivery, "initiator"),
        seconds(text(delivery, "created_at")),
        delivery["attempts_made"],
        if delivery["possibly_received"] == true { "  possibly received" } else { "" },
    );
}
