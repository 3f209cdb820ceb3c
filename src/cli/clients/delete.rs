//! `logoutd clients delete`.

use clap::Args;

use super::{Api, ApiArgs, Segment, path};
use crate::cli::style::{DIM, GOOD, paint};
use crate::cli::terminal::println;

#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The client. One that does not exist is removed already
    #[arg(value_name = "CLIENT")]
    id: Segment,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: DeleteArgs) -> anyhow::Result<()> {
    // The answer is empty: it says neither whether there was a client, nor what was discarded.
    Api::new(&args.api)?.delete(&path(&args.id)).await?;
    if !args.api.json {
        let id = args.id.text();
        println!("{} client {id} is not registered any more", paint(GOOD, "✓"));
        let look = format!("logoutd deliveries list --client '{id}' --state discarded");
        println!("  what waited for it is discarded: {}", paint(DIM, look));
    }
    Ok(())
}
