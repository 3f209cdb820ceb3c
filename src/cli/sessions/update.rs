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
    /// The session: its `sid`
    #[arg(value_name = "SID")]
    sid: Segment,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// All of the metadata that the session is to have.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct MetadataArgs {
    /// An entry that it is to have; may be given several times. All others are removed
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_entry)]
    metadata: Vec<(String, String)>,
    /// A JSON file: an object with all the entries it is to have; `-` is standard input
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
    /// Remove all of it
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
        println!("{} session {} has this metadata now", paint(GOOD, "✓"), args.sid.text());
        show::print(&session);
    }
    Ok(ExitCode::SUCCESS)
}

/// An entry. Its value is not repeated in an error: it may be personal.
fn parse_entry(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("must be a key and a value with = between them")?;
    Ok((key.to_owned(), value.to_owned()))
}
