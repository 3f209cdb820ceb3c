//! `logoutd verify`: decodes a logout token and checks every rule, as text or JSON.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::http::TlsArgs;
use super::jwks::{JwksLocation, JwksSource};
use super::style::{BAD, BOLD, DIM, GOOD, WAITING, paint};
use super::terminal::{eprintln, out_json, println};
use super::token_view;
use crate::clock::{Clock, SystemClock};
use crate::domain::duration;
use crate::relying_party::rules::{Check, RuleOutcome};
use crate::relying_party::token::Token;
use crate::relying_party::verify::{Expected, Report, verify};

/// Decode a logout token and check it rule by rule.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The logout token; `-` (the default) reads it from standard input, where other users cannot see it.
    /// A leading `logout_token=` is removed.
    #[arg(default_value = "-", value_name = "TOKEN", hide_default_value = true)]
    token: String,
    /// The OP's public keys: a URL or a file.
    #[arg(long, value_name = "URL|FILE")]
    jwks: JwksLocation,
    /// The OP's issuer identifier, compared with `iss`.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The relying party's `client_id`, compared with `aud`.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The tolerated clock difference.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    leeway: Duration,
    #[command(flatten)]
    tls: TlsArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command: 0 if no rule failed, 1 if one did.
pub(super) async fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let text = if args.token == "-" { from_standard_input()? } else { args.token };
    let text = text.trim();
    let token = Token::parse(text.strip_prefix("logout_token=").unwrap_or(text));
    let jwks = JwksSource::new(args.jwks, &args.tls)?.read().await?;
    let expected = Expected { issuer: args.issuer, client_id: args.client_id, leeway: args.leeway };
    let report = verify(&token, &jwks, &expected, SystemClock.now());
    if args.json {
        out_json(&serde_json::to_string_pretty(&report)?);
    } else {
        show(&report);
    }
    Ok(if report.valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn from_standard_input() -> anyhow::Result<String> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("Paste the logout token, then press Ctrl-D:");
    }
    let mut text = String::new();
    input.read_to_string(&mut text).context("cannot read the token from standard input")?;
    Ok(text)
}

fn show(report: &Report) {
    token_view::show(report.header.as_ref(), report.claims.as_ref());
    println!();
    for check in &report.checks {
        show_check(check);
    }
    println!();
    let failed = report.failures().count();
    if failed == 0 {
        println!("{} {}", paint(GOOD, "✓"), paint(BOLD, "valid"));
    } else {
        let rules = if failed == 1 { "1 rule fails".to_owned() } else { format!("{failed} rules fail") };
        println!("{} {}: {rules}", paint(BAD, "✗"), paint(BOLD, "not valid"));
    }
}

fn show_check(check: &Check) {
    let (style, mark) = match check.outcome {
        RuleOutcome::Pass => (GOOD, "✓"),
        RuleOutcome::Warn => (WAITING, "!"),
        RuleOutcome::Fail => (BAD, "✗"),
        RuleOutcome::Skip => (DIM, "-"),
    };
    let spec = match check.outcome {
        RuleOutcome::Pass | RuleOutcome::Skip => String::new(),
        RuleOutcome::Warn | RuleOutcome::Fail => paint(DIM, format_args!(" ({})", check.rule.spec())),
    };
    println!("{} {:<16} {}{spec}", paint(style, mark), check.rule.name(), check.explanation);
}
