//! `logoutd sessions`: sessions from the shell.

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

/// Sessions: who is logged in, what is known of it, and its end.
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
    /// Replace a session's metadata: what is not given again is gone
    Update(update::UpdateArgs),
    /// End a session, and tell its clients
    Delete(end::EndArgs),
    /// The same as delete: Auth0's API has both
    Revoke(end::EndArgs),
    /// End every session of a user, and tell their clients
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

/// Where a session is.
fn path(sid: &Segment) -> String {
    format!("/api/v2/sessions/{sid}")
}

/// Where a user's sessions are.
fn path_of_user(id: &Segment) -> String {
    format!("/api/v2/users/{id}/sessions")
}
