//! `logoutd clients`: the commands for clients.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::api::{Api, ApiArgs};
use super::output::{plain, print_field, print_json, print_rest, seconds, text};
use super::segment::Segment;

mod create;
mod delete;
mod list;
mod options;
mod show;
mod test;
mod update;

/// Clients: the relying parties that get logout tokens when a session ends.
#[derive(Debug, Args)]
pub(super) struct ClientsArgs {
    #[command(subcommand)]
    command: ClientsCommand,
}

#[derive(Debug, Subcommand)]
enum ClientsCommand {
    /// List all clients
    List(list::ListArgs),
    /// Show a client
    Show(show::ShowArgs),
    /// Register a client
    Create(Box<create::CreateArgs>),
    /// Change a client: what is given; the rest stays as it is
    Update(Box<update::UpdateArgs>),
    /// Remove a client, without asking; what waits for it is discarded
    Delete(delete::DeleteArgs),
    /// Send a client one logout token for a made-up session, and show each phase of it; fails if it is not
    /// delivered
    Test(test::TestArgs),
}

/// Runs the command.
pub(super) async fn run(args: ClientsArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        ClientsCommand::List(args) => list::run(args).await?,
        ClientsCommand::Show(args) => show::run(args).await?,
        ClientsCommand::Create(args) => return create::run(*args).await,
        ClientsCommand::Update(args) => return update::run(*args).await,
        ClientsCommand::Delete(args) => delete::run(args).await?,
        ClientsCommand::Test(args) => return test::run(args).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// The path of a client in the API.
fn path(id: &Segment) -> String {
    format!("/api/v2/clients/{id}")
}
