//! `logoutd clients test`: one test delivery to a client.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::{Api, ApiArgs, Segment, path, print_json, text};
use crate::cli::style::{BAD, GOOD, paint};
use crate::cli::terminal::println;
use crate::cli::{attempt_view, token_view};

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// The client
    #[arg(value_name = "CLIENT")]
    id: Segment,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: TestArgs) -> anyhow::Result<ExitCode> {
    let test = Api::new(&args.api)?.post(&format!("{}/test", path(&args.id)), None).await?;
    if args.api.json {
        print_json(&test);
    } else {
        print(&test);
    }
    Ok(if test["state"] == "delivered" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(test: &Value) {
    let attempt = &test["attempt"];
    let (style, mark, meaning) = match text(test, "state") {
        "delivered" => (GOOD, "✓", "took the token"),
        "rejected" => (BAD, "✗", "refused the token: a delivery would end here"),
        _ => (BAD, "✗", "did not take the token: a delivery would be tried again"),
    };
    let uri = text(test, "backchannel_logout_uri");
    println!("{} {uri} {meaning}", paint(style, mark));
    match attempt["status"].as_u64() {
        Some(status) => println!("  it answered {}", paint(style, status)),
        None => println!("  there was no answer"),
    }
    attempt_view::show(attempt);
    token_view::show(test["header"].as_object(), test["claims"].as_object());
}
