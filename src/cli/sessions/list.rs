//! `logoutd sessions list`.

use clap::Args;
use serde_json::Value;

use super::show::clients;
use super::{Api, ApiArgs, Segment, path_of_user, seconds, text};
use crate::cli::list::List;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The `sub` of the user
    #[arg(value_name = "USER")]
    user_id: Segment,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: ListArgs) -> anyhow::Result<()> {
    let list = List {
        path: path_of_user(&args.user_id),
        query: Vec::new(),
        member: "sessions",
        none: "no sessions",
        heading: format!(
            "{:<36}  {:<19}  {:<19}  {:<19}  CLIENTS",
            "SESSION", "CREATED (UTC)", "IDLE UNTIL (UTC)", "UNTIL (UTC)"
        ),
        row,
    };
    list.print(&Api::new(&args.api)?, args.api.json).await
}

fn row(session: &Value) -> String {
    format!(
        "{:<36}  {:<19}  {:<19}  {:<19}  {}",
        text(session, "id"),
        seconds(text(session, "created_at")),
        seconds(text(session, "idle_expires_at")),
        seconds(text(session, "expires_at")),
        clients(session),
    )
}
