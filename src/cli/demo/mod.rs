//! `logoutd demo`: the service on a temporary store, with three mock relying parties.
//!
//! Only the relying parties are mocks: events are reported over HTTP, deliveries go through the store, and the token that is
//! shown is the one that the relying party received.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::style::{BOLD, DIM, paint};
use crate::cli::terminal::println;

mod environment;
mod expectations;
mod progress;

use environment::Environment;
use expectations::Expectation;

/// The time limit for the whole demo.
const TIME_LIMIT: Duration = Duration::from_mins(1);

/// The arguments of `logoutd demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Exit when the demo is over, with status 0 if every expectation held, else 1.
    #[arg(long)]
    once: bool,
}

/// Runs the demo.
pub(super) async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let mut environment = Environment::start().await?;
    environment.introduce();

    heading(1, "The OP reports what happens to Alice's session");
    let deliveries = environment.send_events().await?;

    heading(2, "logoutd delivers a logout token to each relying party");
    let history = progress::watch(&mut environment, &deliveries, TIME_LIMIT).await?;

    heading(3, "What the shop received");
    history.show_token();

    heading(4, "Expectations");
    let expectations = Expectation::all(&history);
    for expectation in &expectations {
        expectation.show();
    }
    let held = expectations.iter().all(Expectation::held);

    if !args.once {
        environment.suggest();
        environment.until_interrupted(&deliveries).await?;
    }
    environment.stop().await?;
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn heading(number: u8, text: &str) {
    println!();
    println!("{} {}", paint(DIM, number), paint(BOLD, text));
}
