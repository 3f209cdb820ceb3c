//! `logoutd sessions delete`, `revoke` and `delete-all`.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::wait::WaitArgs;
use super::{Api, ApiArgs, Segment, items, path, path_of_user, print_deliveries, print_json};
use crate::cli::style::{BAD, GOOD, paint};
use crate::cli::terminal::println;

#[derive(Debug, Args)]
pub(super) struct EndArgs {
    /// The `sid` of the session
    #[arg(value_name = "SID")]
    sid: Segment,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Args)]
pub(super) struct EndAllArgs {
    /// The `sub` of the user
    #[arg(value_name = "USER")]
    user_id: Segment,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn delete(args: EndArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.api)?;
    let ended = api.delete(&path(&args.sid)).await?;
    report(&api, ended, &args.wait, args.api.json).await
}

pub(super) async fn revoke(args: EndArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.api)?;
    let ended = api.post(&format!("{}/revoke", path(&args.sid)), None).await?;
    report(&api, ended, &args.wait, args.api.json).await
}

pub(super) async fn delete_all(args: EndAllArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.api)?;
    let ended = api.delete(&path_of_user(&args.user_id)).await?;
    report(&api, ended, &args.wait, args.api.json).await
}

/// Prints the ended sessions and their deliveries, after waiting for the outcome if `--wait` is given.
async fn report(api: &Api, mut ended: Value, wait: &WaitArgs, as_json: bool) -> anyhow::Result<ExitCode> {
    if !as_json {
        print_sessions(&ended);
    }
    // The sessions have ended: the known deliveries are printed even if polling them fails.
    let deliveries = ended["deliveries"].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
    let watched = wait.watch(api, deliveries).await;
    if as_json {
        print_json(&ended);
    } else if !items(&ended, "sessions").is_empty() {
        print_deliveries(items(&ended, "deliveries"));
        for client_id in items(&ended, "untold").iter().filter_map(Value::as_str) {
            let problem = "cannot be notified: its tokens need a sub, and none is known for it";
            println!("{} client {client_id} {problem}", paint(BAD, "✗"));
        }
    }
    let is_complete = ended["complete"] != false;
    if !is_complete && !as_json {
        println!("{} more of the user's sessions are still being ended", paint(BAD, "✗"));
    }
    let all_delivered = watched? && is_complete && items(&ended, "untold").is_empty();
    Ok(if all_delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_sessions(ended: &Value) {
    let sessions = items(ended, "sessions");
    if sessions.is_empty() {
        println!("the user has no sessions");
    }
    for sid in sessions {
        println!("{} session {} has ended", paint(GOOD, "✓"), sid.as_str().unwrap_or_default());
    }
}
