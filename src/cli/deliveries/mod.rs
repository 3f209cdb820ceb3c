//! `logoutd deliveries`: the queue from the shell.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::api::{Api, ApiArgs};
use super::output::{print_json, seconds, text};
use super::segment::Segment;

mod breakers;
mod list;
mod redeliver;
mod show;

/// Deliveries: what waits, what failed and why, and putting it back into the queue.
#[derive(Debug, Args)]
pub(super) struct DeliveriesArgs {
    #[command(subcommand)]
    command: DeliveriesCommand,
}

#[derive(Debug, Subcommand)]
enum DeliveriesCommand {
    /// List deliveries, the newest first
    List(list::ListArgs),
    /// Show a delivery with all its attempts
    Show(show::ShowArgs),
    /// Put deliveries back into the queue: some by their ids, or all that match
    Redeliver(redeliver::RedeliverArgs),
    /// List the clients whose deliveries wait, since their relying parties keep failing
    Breakers(breakers::BreakersArgs),
}

/// Runs the command.
pub(super) async fn run(args: DeliveriesArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        DeliveriesCommand::List(args) => list::run(args).await?,
        DeliveriesCommand::Show(args) => show::run(args).await?,
        DeliveriesCommand::Redeliver(args) => return redeliver::run(args).await,
        DeliveriesCommand::Breakers(args) => breakers::run(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Which deliveries. What is not given does not restrict.
#[derive(Debug, Default, Args)]
struct FilterArgs {
    /// Of this client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// In one of these states: pending, `in_flight`, delivered, rejected, exhausted, discarded
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<String>,
    /// Of sessions that ended so, such as session-revoked
    #[arg(long, value_name = "INITIATOR")]
    initiator: Option<String>,
    /// Made at this time or later, such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME")]
    created_after: Option<String>,
    /// Made before this time
    #[arg(long, value_name = "TIME")]
    created_before: Option<String>,
}

impl FilterArgs {
    /// As members or parameters of the API.
    fn members(&self) -> Vec<(&'static str, String)> {
        let state = (!self.state.is_empty()).then(|| self.state.join(","));
        let members = [
            ("client_id", &self.client),
            ("state", &state),
            ("initiator", &self.initiator),
            ("created_after", &self.created_after),
            ("created_before", &self.created_before),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}
