//! `logoutd deliveries`: shows and redelivers deliveries.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::api::{Api, ApiArgs};
use super::output::{print_json, seconds, text};
use super::segment::Segment;

mod breakers;
mod list;
mod redeliver;
mod show;

/// Deliveries: what is pending, what failed and why, and redelivery.
#[derive(Debug, Args)]
pub(super) struct DeliveriesArgs {
    #[command(subcommand)]
    command: DeliveriesCommand,
}

#[derive(Debug, Subcommand)]
enum DeliveriesCommand {
    /// List deliveries, newest first
    List(list::ListArgs),
    /// Show a delivery with all its attempts
    Show(show::ShowArgs),
    /// Put deliveries back into the queue: by id, or all that match a filter
    Redeliver(redeliver::RedeliverArgs),
    /// List the clients whose circuit breaker is open
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

/// Filters; all that are given must match.
#[derive(Debug, Default, Args)]
struct FilterArgs {
    /// Only of this client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Only in these states, separated by commas: pending, `in_flight`, delivered, rejected, exhausted, discarded
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<String>,
    /// Only with this initiator, such as session-revoked
    #[arg(long, value_name = "INITIATOR")]
    initiator: Option<String>,
    /// Only created at this time or later, such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME")]
    created_after: Option<String>,
    /// Only created before this time
    #[arg(long, value_name = "TIME")]
    created_before: Option<String>,
}

impl FilterArgs {
    /// The filters as members or parameters of the API.
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
