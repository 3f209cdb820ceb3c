//! `logoutd demo`: the service on a throw-away store, beside three mock relying parties.
//!
//! Everything is real but the parties: events go in over HTTP, deliveries go through the store, and what
//! is shown of a token is what the relying party received.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::style::{BOLD, DIM, paint};
use crate::cli::terminal::println;

mod expectations;
mod progress;
mod stage;

use expectations::Expectation;
use stage::Stage;

/// How long everything that is expected may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// The arguments of `logoutd demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Exit when all has happened that should: 0 if every expectation held, 1 if one did not.
    #[arg(long)]
    once: bool,
}

/// Runs the demo.
pub(super) async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let mut stage = Stage::set().await?;
    stage.introduce();

    heading(1, "The OP reports what happens to Alice's session");
    let deliveries = stage.send_events().await?;

    heading(2, "logoutd delivers a logout token to each relying party");
    let story = progress::watch(&mut stage, &deliveries, PATIENCE).await?;

    heading(3, "What the shop received");
    story.show_token();

    heading(4, "What was to be shown");
    let expectations = Expectation::all(&story);
    for expectation in &expectations {
        expectation.show();
    }
    let held = expectations.iter().all(Expectation::held);

    if !args.once {
        stage.suggest();
        stage.until_interrupted(&deliveries).await?;
    }
    stage.strike().await?;
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn heading(number: u8, text: &str) {
    println!();
    println!("{} {}", paint(DIM, number), paint(BOLD, text));
}
