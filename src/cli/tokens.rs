//! `logoutd tokens`: manages API tokens in the store. A running service applies a change within a second or two.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::WrongUsage;
use super::table::aligned;
use super::terminal::{eprintln, out_block, out_json, println};
use crate::access::secret;
use crate::app;
use crate::causes::Causes;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::access::{ApiToken, EventSource, Scope, TokenId};
use crate::domain::duration::{self, Human};
use crate::domain::ids::TokenName;
use crate::domain::log::{Change, LogEntry, LogEvent, LogId};
use crate::entropy::{Entropy, SystemEntropy};
use crate::storage::Storage;

/// The longest life of a token that has an end: ten years.
const MAX_LIFE: Duration = Duration::from_hours(24 * 3650);

/// API tokens.
#[derive(Debug, Args)]
pub(super) struct TokensArgs {
    #[command(subcommand)]
    command: TokensCommand,
}

#[derive(Debug, Subcommand)]
enum TokensCommand {
    /// Create a token; its secret is printed once and cannot be shown again
    Create(CreateArgs),
    /// List the tokens
    List(ListArgs),
    /// Revoke a token permanently
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// A name for people, which also identifies the reporter of events
    #[arg(long)]
    name: TokenName,
    /// What it allows, such as create:events; one or more
    #[arg(long = "scope", value_name = "SCOPE", required = true, num_args = 1.., value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// A `source` whose events it may report; can be repeated [default: any]
    #[arg(long = "source", value_name = "URL")]
    sources: Vec<EventSource>,
    /// Its lifetime, such as 90d [default: unlimited]
    #[arg(long, value_name = "DURATION", value_parser = parse_life)]
    expires_in: Option<Duration>,
    /// Print JSON, with the secret as `token`
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// The token's id, as `logoutd tokens list` shows it
    id: TokenId,
    /// Print the token as JSON
    #[arg(long)]
    json: bool,
}

impl CreateArgs {
    /// Checks options that depend on each other.
    fn check(&self) -> anyhow::Result<()> {
        if self.sources.is_empty() || self.scopes.contains(&Scope::CreateEvents) {
            return Ok(());
        }
        Err(WrongUsage::error("--source limits which events are reported: it needs --scope create:events"))
    }
}

fn parse_life(text: &str) -> Result<Duration, String> {
    let life = duration::parse(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=MAX_LIFE).contains(&life) {
        return Ok(life);
    }
    Err(format!("must be from 1s to {}, and is {}", Human(MAX_LIFE), Human(life)))
}

/// Runs the command on the configuration's store, and prints what it did.
pub(super) async fn run(args: TokensArgs, config: &Config) -> anyhow::Result<()> {
    let make = matches!(args.command, TokensCommand::Create(_));
    if let TokensCommand::Create(args) = &args.command {
        args.check()?;
    }
    let store = app::open_store_beside(config, make).await?;
    let done = match args.command {
        TokensCommand::Create(args) => create(args, &store).await,
        TokensCommand::List(args) => list(&args, &store).await,
        TokensCommand::Revoke(args) => revoke(&args, &store).await,
    };
    store.close().await;
    done
}

async fn create(args: CreateArgs, store: &Arc<dyn Storage>) -> anyhow::Result<()> {
    let entropy: &dyn Entropy = &SystemEntropy::new();
    let now = SystemClock.now();
    let secret = secret::generate(entropy);
    let token = ApiToken {
        id: TokenId(entropy.uuid_v7(now)),
        name: args.name,
        scopes: args.scopes.into_iter().collect(),
        sources: args.sources.into_iter().collect(),
        created_at: now,
        expires_at: args.expires_in.map(|life| now.checked_add(life)).transpose()?,
        last_used_at: None,
        revoked_at: None,
    };
    store.create_token(&token, &secret::hash(secret.expose_secret())).await?;
    record(store, "Create an API token", "tokens create", token.id, now).await;
    if args.json {
        let mut json = token_json(&token, now);
        json["token"] = json!(secret.expose_secret());
        out_json(&serde_json::to_string_pretty(&json)?);
        return Ok(());
    }
    // Only the secret goes to standard output, so that it can be piped.
    let ends =
        token.expires_at.map_or_else(|| "never expires".to_owned(), |at| format!("expires {}", shown(at)));
    let sources = token.sources.sources().map_or_else(String::new, |_| format!("; for {}", token.sources));
    eprintln!("created {} ({}): {}{sources}; {ends}", token.id, token.name, token.scopes);
    eprintln!("its secret, which is not shown again:");
    println!("{}", secret.expose_secret());
    Ok(())
}

/// Records a change in the audit trail. A failure is only printed, because the change itself is done.
async fn record(store: &Arc<dyn Storage>, description: &str, command: &str, token: TokenId, now: Timestamp) {
    let entropy: &dyn Entropy = &SystemEntropy::new();
    let change = Change::by_command(description, command, vec![token.to_string()]);
    let id = LogId::new(now, entropy.uuid_v7(now));
    let entry = LogEntry { id, client_id: None, user_id: None, event: LogEvent::Change(Box::new(change)) };
    if let Err(error) = store.record(&entry).await {
        eprintln!("the change could not be recorded in the audit trail: {}", Causes(&error));
    }
}

async fn list(args: &ListArgs, store: &Arc<dyn Storage>) -> anyhow::Result<()> {
    let (tokens, now) = (store.tokens().await?, SystemClock.now());
    if args.json {
        let tokens: Vec<_> = tokens.iter().map(|token| token_json(token, now)).collect();
        out_json(&serde_json::to_string_pretty(&tokens)?);
    } else if tokens.is_empty() {
        println!("no tokens");
    } else {
        let heading = ["ID", "STATE", "CREATED", "EXPIRES", "LAST USED", "NAME", "SCOPES", "SOURCES"]
            .map(str::to_owned);
        let rows: Vec<_> =
            std::iter::once(heading).chain(tokens.iter().map(|token| row(token, now))).collect();
        out_block(&aligned(&rows));
    }
    Ok(())
}

async fn revoke(args: &RevokeArgs, store: &Arc<dyn Storage>) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let Some(token) = store.revoke_token(args.id, now).await? else {
        bail!("there is no token with the id {}; `logoutd tokens list` shows them", args.id);
    };
    record(store, "Revoke an API token", "tokens revoke", token.id, now).await;
    if args.json {
        out_json(&serde_json::to_string_pretty(&token_json(&token, now))?);
    } else {
        println!(
            "revoked {} ({}): a running service rejects it within a second or two",
            token.id, token.name
        );
    }
    Ok(())
}

fn row(token: &ApiToken, now: Timestamp) -> [String; 8] {
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), shown);
    [
        token.id.to_string(),
        token.state(now).as_str().to_owned(),
        shown(token.created_at),
        time(token.expires_at),
        time(token.last_used_at),
        token.name.to_string(),
        token.scopes.to_string(),
        token.sources.to_string(),
    ]
}

fn token_json(token: &ApiToken, now: Timestamp) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "state": token.state(now).as_str(),
        "scopes": token.scopes.iter().map(Scope::as_str).collect::<Vec<_>>(),
        "sources": token.sources.sources(),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
    })
}

/// To whole seconds, UTC.
fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
