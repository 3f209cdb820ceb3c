//! `logoutd sessions update`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Api, ApiArgs, Segment, path, print_json, show};
use crate::cli::WrongUsage;
use crate::cli::input::read_object;
use crate::cli::style::{GOOD, paint};
use crate::cli::terminal::println;

#[derive(Debug, Args)]
pub(super) struct UpdateArgs {
    /// The `sid` of the session
    #[arg(value_name = "SID")]
    sid: Segment,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// The new metadata of the session.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct MetadataArgs {
    /// An entry of the new metadata; can be repeated. All other entries are removed
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_entry)]
    metadata: Vec<(String, String)>,
    /// A JSON file with an object of all entries; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
    /// Remove all entries
    #[arg(long)]
    clear: bool,
}

pub(super) async fn run(args: UpdateArgs) -> anyhow::Result<ExitCode> {
    let mut entries = match &args.metadata.metadata_file {
        Some(file) => read_object(file)?,
        None => Map::new(),
    };
    for (key, value) in args.metadata.metadata {
        if entries.contains_key(&key) {
            return Err(WrongUsage::error(format!("--metadata gives `{key}` more than once")));
        }
        entries.insert(key, Value::String(value));
    }
    let body = json!({ "session_metadata": entries });
    let session = Api::new(&args.api)?.patch(&path(&args.sid), &body).await?;
    if args.api.json {
        print_json(&session);
    } else {
        println!("{} updated the metadata of session {}", paint(GOOD, "✓"), args.sid.text());
        show::print(&session);
    }
    Ok(ExitCode::SUCCESS)
}

/// Parses an entry. Errors do not contain the value, which can be personal data.
fn parse_entry(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("must be a key and a value separated by =")?;
    Ok((key.to_owned(), value.to_owned()))
}
