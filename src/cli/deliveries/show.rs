//! `logoutd deliveries show`.

use anstream::println;
use clap::Args;
use serde_json::Value;

use super::{Api, ApiArgs, print_json, seconds, text};
use crate::cli::style::{BAD, DIM, GOOD, paint, state_style};

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The delivery
    #[arg(value_name = "DELIVERY")]
    id: String,
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
        println!("{}", paint(BAD, "an attempt may have reached the relying party without an answer"));
    }
    println!();
    for attempt in delivery["attempts"].as_array().into_iter().flatten() {
        show_attempt(attempt);
    }
    Ok(())
}

fn show_attempt(attempt: &Value) {
    let error = text(attempt, "error");
    let (style, outcome) = if error.is_empty() { (GOOD, "delivered") } else { (BAD, error) };
    println!(
        "attempt {:<3} {}  {}  {:.1} ms  {}",
        attempt["number"].to_string(),
        seconds(text(attempt, "started_at")),
        paint(style, format_args!("{outcome:<16}")),
        attempt["duration_ms"].as_f64().unwrap_or_default(),
        text(attempt, "remote_address"),
    );
    let phases: Vec<String> = attempt["phases_ms"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(phase, took)| format!("{phase} {:.1}", took.as_f64().unwrap_or_default()))
        .collect();
    let key = format!("kid {}  jti {}", text(attempt, "kid"), text(attempt, "jti"));
    println!("            {}", paint(DIM, format_args!("ms: {}  {key}", phases.join(", "))));
    if attempt["outcome_unknown"] == true {
        println!("            no answer came, but the relying party may have received the token");
    }
    if attempt["refused_after_unknown"] == true {
        println!("            refused after such an attempt: the relying party may have had it already");
    }
    for line in text(attempt, "answer").lines() {
        println!("            {} {line}", paint(DIM, "│"));
    }
}
