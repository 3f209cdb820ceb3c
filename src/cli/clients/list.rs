//! `logoutd clients list`.

use clap::Args;
use serde_json::Value;

use super::show::standing;
use super::{Api, ApiArgs, text};
use crate::cli::list::List;
use crate::cli::style::paint;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Of these kinds, as their `app_type` says, such as spa or `regular_web`
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    app_type: Vec<String>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: ListArgs) -> anyhow::Result<()> {
    let app_type = (!args.app_type.is_empty()).then(|| ("app_type", args.app_type.join(",")));
    let list = List {
        path: "/api/v2/clients".to_owned(),
        query: app_type.into_iter().collect(),
        member: "clients",
        none: "no clients",
        heading: format!(
            "{:<32}  {:<12}  {:<4}  {:<5}  {:<40}  NAME",
            "CLIENT", "STANDING", "FROM", "ALG", "LOGOUT URI"
        ),
        row,
    };
    list.print(&Api::new(&args.api)?, args.api.json).await
}

fn row(client: &Value) -> String {
    let (style, standing) = standing(client);
    format!(
        "{:<32}  {}  {:<4}  {:<5}  {:<40}  {}",
        text(client, "client_id"),
        // Padded before it is painted: escapes have no width.
        paint(style, format_args!("{standing:<12}")),
        text(client, "origin"),
        text(client, "id_token_signed_response_alg"),
        text(client, "backchannel_logout_uri"),
        text(client, "client_name"),
    )
}
