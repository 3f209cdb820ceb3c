//! `logoutd mock-rp`: a mock relying party. It verifies tokens with its own code, answers as configured, and prints what
//! it received.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::mpsc::unbounded_channel;

use super::http::TlsArgs;
use super::jwks::{JwksLocation, JwksSource};
use super::style::{BAD, BOLD, DIM, GOOD, paint};
use super::terminal::{out_json, println};
use super::token_view;
use crate::clock::SystemClock;
use crate::domain::duration;
use crate::relying_party::mock::{Behaviour, MockRp, Received, Verdict};
use crate::relying_party::verify::Expected;

/// Run a mock relying party: it verifies every token, answers as configured, and prints what it received.
#[derive(Debug, Args)]
pub(super) struct MockRpArgs {
    /// The address to listen on. A POST to any path is a logout request.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// The answer: ok | fail-first=N | slow=MS | status=CODE | retry-after=S | hang | reset
    #[arg(long, value_name = "BEHAVIOUR", default_value = "ok")]
    behaviour: Behaviour,
    /// The OP's issuer identifier, compared with `iss`.
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    issuer: String,
    /// The OP's public keys: a URL or a file. By default the `jwks_uri` of the issuer's discovery document.
    #[arg(long, value_name = "URL|FILE")]
    jwks: Option<JwksLocation>,
    /// This relying party's `client_id`, compared with `aud`. Without it, `aud` is not checked.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The tolerated clock difference.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    leeway: Duration,
    #[command(flatten)]
    tls: TlsArgs,
    /// Print each request as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command until Ctrl-C or SIGTERM.
pub(super) async fn run(args: MockRpArgs) -> anyhow::Result<ExitCode> {
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    let location = args.jwks.unwrap_or_else(|| JwksLocation::Discovery(args.issuer.clone()));
    if !args.json {
        println!("A relying party of {} at http://{address}/backchannel-logout", args.issuer);
        println!("{}", paint(DIM, format_args!("behaviour {}, keys from {location}", args.behaviour)));
    }
    let expected = Expected { issuer: Some(args.issuer), client_id: args.client_id, leeway: args.leeway };
    let (sender, mut received) = unbounded_channel();
    let keys = JwksSource::new(location, &args.tls)?;
    let rp = MockRp::new(expected, args.behaviour, keys, Arc::new(SystemClock), sender);

    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("cannot listen for signals")?;
    let stopped = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    };
    let serving = tokio::spawn(rp.serve(listener, stopped));
    // Ends when the relying party stops and drops the sender.
    while let Some(request) = received.recv().await {
        if args.json {
            out_json(&serde_json::to_string(&request)?);
        } else {
            show(&request);
        }
    }
    serving.await?.context("the relying party stopped")?;
    Ok(ExitCode::SUCCESS)
}

fn show(received: &Received) {
    let valid = received.verdict == Verdict::Valid;
    let (style, mark) = if valid { (GOOD, "✓") } else { (BAD, "✗") };
    let verdict = match received.verdict {
        Verdict::Valid => "a valid logout token",
        Verdict::Invalid => "a logout token that is not valid",
        Verdict::Replayed => "a logout token that was received before",
        Verdict::Malformed => "no logout token",
        Verdict::Unverified => "a logout token that could not be verified",
    };
    let answer =
        received.status.map_or_else(|| "no answer".to_owned(), |status| format!("answered {status}"));
    println!();
    println!(
        "{} {} {}, {answer} {}",
        paint(style, mark),
        paint(DIM, received.at.strftime("%H:%M:%S")),
        paint(BOLD, verdict),
        paint(DIM, format_args!("POST {}", received.path))
    );
    if let Some(problem) = &received.problem {
        println!("  {}", paint(BAD, problem));
    }
    if received.header.is_some() || received.claims.is_some() {
        token_view::show(received.header.as_ref(), received.claims.as_ref());
    }
}
