//! `logoutd clients update`.

use std::process::ExitCode;

use clap::{ArgGroup, Args};
use serde_json::Value;

use super::options::{BodyFile, ClientOptions};
use super::{Api, ApiArgs, Segment, path, print_json, show};
use crate::cli::WrongUsage;
use crate::cli::style::{GOOD, paint};
use crate::cli::terminal::println;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("switches").args(["no_logout_uri", "enable", "disable"]).multiple(true))]
pub(super) struct UpdateArgs {
    /// The client
    #[arg(value_name = "CLIENT")]
    id: Segment,
    #[command(flatten)]
    options: ClientOptions,
    /// Remove its logout URI: it gets no more tokens, and its pending deliveries are discarded
    #[arg(long, conflicts_with = "logout_uri")]
    no_logout_uri: bool,
    /// Deliver to it, what waited too
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Let what is to be delivered to it wait, until it is enabled
    #[arg(long)]
    disable: bool,
    #[command(flatten)]
    file: BodyFile,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: UpdateArgs) -> anyhow::Result<ExitCode> {
    let mut members = args.options.members();
    if args.no_logout_uri {
        members.insert("backchannel_logout_uri".to_owned(), Value::Null);
    }
    if args.enable || args.disable {
        members.insert("enabled".to_owned(), args.enable.into());
    }
    let body = args.file.or(members)?;
    if body.is_empty() {
        return Err(WrongUsage::error("say what is to change: an option, or a file"));
    }
    let client = Api::new(&args.api)?.patch(&path(&args.id), &Value::Object(body)).await?;
    if args.api.json {
        print_json(&client);
    } else {
        println!("{} client {} is changed", paint(GOOD, "✓"), args.id.text());
        show::print(&client);
    }
    Ok(ExitCode::SUCCESS)
}
