//! `logoutd sessions`: shows, changes and ends sessions.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::api::{Api, ApiArgs};
use super::output::{
    items, plain, print_deliveries, print_field, print_json, print_rest, printable, seconds, text,
};
use super::segment::Segment;

mod end;
mod list;
mod show;
mod update;
mod wait;

/// Sessions: show them, change their metadata, and end them.
#[derive(Debug, Args)]
pub(super) struct SessionsArgs {
    #[command(subcommand)]
    command: SessionsCommand,
}

#[derive(Debug, Subcommand)]
enum SessionsCommand {
    /// List all sessions of a user
    List(list::ListArgs),
    /// Show a session
    Show(show::ShowArgs),
    /// Replace the metadata of a session: entries that are not given are removed
    Update(update::UpdateArgs),
    /// End a session and send logout tokens to its clients
    Delete(end::EndArgs),
    /// The same as delete, because Auth0's API has both
    Revoke(end::EndArgs),
    /// End every session of a user and send logout tokens to their clients
    DeleteAll(end::EndAllArgs),
}

/// Runs the command.
pub(super) async fn run(args: SessionsArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        SessionsCommand::List(args) => list::run(args).await?,
        SessionsCommand::Show(args) => show::run(args).await?,
        SessionsCommand::Update(args) => return update::run(args).await,
        SessionsCommand::Delete(args) => return end::delete(args).await,
        SessionsCommand::Revoke(args) => return end::revoke(args).await,
        SessionsCommand::DeleteAll(args) => return end::delete_all(args).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// The path of a session.
fn path(sid: &Segment) -> String {
    format!("/api/v2/sessions/{sid}")
}

/// The path of a user's sessions.
fn path_of_user(id: &Segment) -> String {
    format!("/api/v2/users/{id}/sessions")
}
