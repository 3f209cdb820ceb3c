//! The command line: one file per command.
//!
//! Commands parse arguments, call use cases or the HTTP API, and print text or JSON; they contain no rules about events,
//! tokens or deliveries. Exit status: 0, 1 (the command failed), 2 (wrong usage or configuration).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::terminal::{eprintln, err_block, out_block};
use crate::causes::Causes;
use crate::config::{Config, ConfigErrors, Loaded};

mod api;
mod attempt_view;
pub mod check_config;
mod clients;
mod deliveries;
mod demo;
mod events;
mod http;
mod input;
mod jwks;
mod keys;
mod list;
mod mock_rp;
mod output;
mod segment;
mod serve;
mod server_url;
mod sessions;
mod style;
mod table;
mod terminal;
mod token_view;
mod tokens;
mod verify;

/// Exit status for wrong usage or configuration.
const WRONG_USAGE: u8 = 2;

/// Wrong usage that clap cannot detect.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongUsage(String);

impl WrongUsage {
    fn error(problem: impl Into<String>) -> anyhow::Error {
        Self(problem.into()).into()
    }
}

/// A back-channel logout token issuer that runs beside any OpenID Provider.
#[derive(Debug, Parser)]
#[command(name = "logoutd", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
struct ConfigPath {
    /// The configuration file.
    #[arg(long, global = true, value_name = "PATH", default_value = "config.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service until SIGTERM or SIGINT, then finish the work under way.
    Serve(ConfigPath),
    /// Run a demo: the service and three mock relying parties, on a temporary store.
    Demo(demo::DemoArgs),
    /// Check the configuration, and print its problems or a summary.
    CheckConfig {
        #[command(flatten)]
        path: ConfigPath,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Manage the signing keys.
    Keys {
        #[command(flatten)]
        path: ConfigPath,
        #[command(flatten)]
        args: keys::KeysArgs,
    },
    /// Manage API tokens in the store of the configuration.
    Tokens {
        #[command(flatten)]
        path: ConfigPath,
        #[command(flatten)]
        args: tokens::TokensArgs,
    },
    /// Report events to a running service.
    Events(events::EventsArgs),
    /// Register, change, remove and test clients.
    Clients(clients::ClientsArgs),
    /// Show sessions, change their metadata, and end them.
    Sessions(sessions::SessionsArgs),
    /// Show deliveries, and put them back into the queue.
    Deliveries(deliveries::DeliveriesArgs),
    /// Run a mock relying party for tests.
    MockRp(mock_rp::MockRpArgs),
    /// Decode a logout token and check it rule by rule.
    Verify(verify::VerifyArgs),
}

/// Runs the program with these arguments, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let text = error.render().ansi().to_string();
            // Help and version are not errors, and go to standard output.
            if !error.use_stderr() {
                out_block(&text);
                return ExitCode::SUCCESS;
            }
            err_block(&text);
            return ExitCode::from(WRONG_USAGE);
        }
    };
    crate::keyring::provider::install();
    match run(cli.command) {
        Ok(status) => status,
        Err(error) => {
            if let Some(problems) = error.downcast_ref::<ConfigErrors>() {
                err_block(&format!("{problems}\n"));
                return ExitCode::from(WRONG_USAGE);
            }
            if let Some(problem) = error.downcast_ref::<WrongUsage>() {
                eprintln!("{} {problem}", style::paint(style::BAD, "error:"));
                return ExitCode::from(WRONG_USAGE);
            }
            // The reason for a refusal by the service has already been printed.
            if !error.is::<api::Refused>() {
                eprintln!("{} {}", style::paint(style::BAD, "error:"), Causes(error.as_ref()));
            }
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(path) => {
            let loaded = load(&path.config)?;
            crate::telemetry::init(&loaded)?;
            block_on(serve::run(&loaded))
        }
        Command::Demo(args) => block_on(demo::run(args)),
        Command::CheckConfig { path, json } => check_config::run(&path.config, json),
        Command::Keys { path, args } => {
            keys::run(args, load(&path.config)?.config.keys)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Tokens { path, args } => {
            let config = load(&path.config)?.config;
            block_on(async { tokens::run(args, &config).await.map(|()| ExitCode::SUCCESS) })
        }
        Command::Events(args) => block_on(events::run(args)),
        Command::Clients(args) => block_on(clients::run(args)),
        Command::Sessions(args) => block_on(sessions::run(args)),
        Command::Deliveries(args) => block_on(deliveries::run(args)),
        Command::MockRp(args) => block_on(mock_rp::run(args)),
        Command::Verify(args) => block_on(verify::run(args)),
    }
}

fn load(path: &Path) -> Result<Loaded, ConfigErrors> {
    Config::load(path, std::env::vars_os())
}

fn block_on(future: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}
