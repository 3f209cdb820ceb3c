//! `logoutd events send`: report events from the shell.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::api::refuse;
use super::http::TlsArgs;
use super::input::read;
use super::output::{items, print_deliveries, text};
use super::server_url::ServerUrl;
use super::style::{DIM, GOOD, paint};
use super::terminal::{out_json, println};

/// Report events.
#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    #[command(subcommand)]
    command: EventsCommand,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// Send CloudEvents from files or standard input.
    Send(SendArgs),
}

#[derive(Debug, Args)]
struct SendArgs {
    /// JSON files, each with one event or a list of events; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Wait for the outcome of the deliveries, at most this many seconds.
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u16>,
    /// The URL of either listener of the service.
    #[arg(long, env = "LOGOUTD_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    server: String,
    /// An API token with the scope create:events.
    #[arg(long, env = "LOGOUTD_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: String,
    #[command(flatten)]
    tls: TlsArgs,
    /// Print the answers of the service as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command: 0 if every file was accepted, 1 if one was not.
pub(super) async fn run(args: EventsArgs) -> anyhow::Result<ExitCode> {
    let EventsCommand::Send(args) = args.command;
    let client = args.tls.client(Duration::from_secs(10 + u64::from(args.wait.unwrap_or(0))))?;
    let url = format!("{}/events", ServerUrl::parse(&args.server)?);
    for file in &args.files {
        let body = read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let media_type = match serde_json::from_slice::<Value>(&body) {
            Ok(Value::Array(_)) => "application/cloudevents-batch+json",
            Ok(_) => "application/cloudevents+json",
            Err(error) => bail!("{} is not valid JSON: {error}", file.display()),
        };
        let mut request =
            client.post(&url).bearer_auth(&args.token).header(CONTENT_TYPE, media_type).body(body);
        if let Some(seconds) = args.wait {
            request = request.header("prefer", format!("wait={seconds}"));
        }
        let response = request.send().await.with_context(|| format!("cannot reach {url}"))?;
        let status = response.status();
        let answer: Value = response.json().await.with_context(|| format!("{url} is not logoutd"))?;
        if args.json {
            out_json(&answer.to_string());
        } else if status.is_success() {
            show(&answer);
        }
        if !status.is_success() {
            refuse(&file.display().to_string(), status, &answer);
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(answer: &Value) {
    let several = answer.as_array().map_or(std::slice::from_ref(answer), Vec::as_slice);
    for event in several {
        let duplicate =
            if event["duplicate"] == true { paint(DIM, " (accepted before)") } else { String::new() };
        println!("{} event {}{duplicate}", paint(GOOD, "✓"), text(event, "id"));
        print_deliveries(items(event, "deliveries"));
        if event["complete"] == false {
            println!("  more of the user's sessions are being ended; send the event again to see them");
        }
    }
}
