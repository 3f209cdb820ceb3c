//! `logoutd clients create`.

use std::process::ExitCode;

use clap::{ArgGroup, Args};
use serde_json::Value;

use super::options::{BodyFile, ClientOptions};
use super::{Api, ApiArgs, Segment, print_json, show, text};
use crate::cli::WrongUsage;
use crate::cli::style::{GOOD, paint};
use crate::cli::terminal::println;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("switches").args(["disabled"]).multiple(true))]
pub(super) struct CreateArgs {
    /// Its `client_id`; one is made up where it is left out
    #[arg(value_name = "CLIENT")]
    id: Option<Segment>,
    #[command(flatten)]
    options: ClientOptions,
    /// Let what is to be delivered to it wait, until it is enabled
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    file: BodyFile,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: CreateArgs) -> anyhow::Result<ExitCode> {
    let mut members = args.options.members();
    if args.disabled {
        members.insert("enabled".to_owned(), false.into());
    }
    let mut body = args.file.or(members)?;
    if let Some(id) = args.id {
        let id = Value::from(id.text());
        if body.get("client_id").is_some_and(|other| *other != id) {
            return Err(WrongUsage::error("the file has another client_id; leave one of them out"));
        }
        body.insert("client_id".to_owned(), id);
    }
    if body.is_empty() {
        return Err(WrongUsage::error("say something of the client: its id, an option, or a file"));
    }
    let client = Api::new(&args.api)?.post("/api/v2/clients", Some(&Value::Object(body))).await?;
    if args.api.json {
        print_json(&client);
    } else {
        println!("{} client {} is registered", paint(GOOD, "✓"), text(&client, "client_id"));
        show::print(&client);
    }
    Ok(ExitCode::SUCCESS)
}
