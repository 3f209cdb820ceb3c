//! `logoutd deliveries show`.

use clap::Args;

use super::{Api, ApiArgs, Segment, print_json, seconds, text};
use crate::cli::attempt_view;
use crate::cli::style::{BAD, DIM, paint, state_style};
use crate::cli::terminal::println;

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The id of the delivery
    #[arg(value_name = "DELIVERY")]
    id: Segment,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: ShowArgs) -> anyhow::Result<()> {
    let path = format!("/api/v2/deliveries/{}", args.id);
    let delivery = Api::new(&args.api)?.get(&path, &[]).await?;
    if args.api.json {
        print_json(&delivery);
        return Ok(());
    }
    let state = text(&delivery, "state");
    for (name, value) in [
        ("delivery", text(&delivery, "id").to_owned()),
        ("state", paint(state_style(state), state)),
        ("client", text(&delivery, "client_id").to_owned()),
        ("initiator", text(&delivery, "initiator").to_owned()),
        ("sid", text(&delivery, "sid").to_owned()),
        ("created", seconds(text(&delivery, "created_at"))),
        ("next attempt", seconds(text(&delivery, "due_at"))),
        ("until", seconds(text(&delivery, "expires_at"))),
        ("settled", seconds(text(&delivery, "settled_at"))),
        ("redeliveries", delivery["redeliveries"].to_string()),
    ] {
        if !value.is_empty() {
            println!("{:<13} {value}", paint(DIM, format_args!("{name:<13}")));
        }
    }
    if delivery["possibly_received"] == true {
        println!("{}", paint(BAD, "the relying party may have received a token without answering"));
    }
    println!();
    for attempt in delivery["attempts"].as_array().into_iter().flatten() {
        attempt_view::show(attempt);
    }
    Ok(())
}
