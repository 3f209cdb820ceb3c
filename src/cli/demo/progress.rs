//! Prints the attempts of the demo as they happen.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use anstream::print;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::environment::{Environment, Party, Watched};
use crate::cli::style::{BAD, DIM, GOOD, WAITING, paint};
use crate::cli::terminal::println;
use crate::cli::token_view;
use crate::domain::delivery::{Attempt, State};
use crate::domain::ids::DeliveryId;
use crate::relying_party::mock::Received;
use crate::relying_party::rules::RuleOutcome;

/// How often the store is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(40);

/// What happened, for the summary.
pub(super) struct History {
    /// The attempts of each client's delivery.
    pub(super) attempts: BTreeMap<String, Vec<Attempt>>,
    /// The state of each client's delivery.
    pub(super) states: BTreeMap<String, State>,
    /// What each relying party that is up received.
    pub(super) received: BTreeMap<&'static str, Vec<Received>>,
}

/// Prints every attempt as it is made, until the shop and the blog have their tokens and the wiki has had as many attempts
/// as the blog, or until the time limit.
pub(super) async fn watch(
    environment: &mut Environment,
    deliveries: &[Watched],
    limit: Duration,
) -> anyhow::Result<History> {
    let began = Instant::now();
    let mut first: Option<Timestamp> = None;
    let mut status_line = StatusLine::new();
    let mut history =
        History { attempts: BTreeMap::new(), states: BTreeMap::new(), received: BTreeMap::new() };
    loop {
        for delivery in deliveries {
            let records = environment.store.attempts(delivery.id).await?;
            let attempts: Vec<Attempt> = records.into_iter().map(|it| it.attempt).collect();
            let state = state(environment, delivery.id).await?;
            let shown = history.attempts.get(&delivery.client_id).map_or(0, Vec::len);
            for (number, attempt) in attempts.iter().enumerate().skip(shown) {
                status_line.clear();
                let first = *first.get_or_insert(attempt.started_at);
                show_attempt(&delivery.client_id, number + 1, attempt, state, first);
            }
            history.attempts.insert(delivery.client_id.clone(), attempts);
            history.states.insert(delivery.client_id.clone(), state);
        }
        if is_over(&history) || began.elapsed() > limit {
            break;
        }
        status_line.show(began.elapsed());
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    status_line.clear();
    for party in environment.parties() {
        let received = std::iter::from_fn(|| party.received.try_recv().ok()).collect();
        history.received.insert(party.client_id, received);
    }
    Ok(history)
}

/// Prints what the relying parties receive, until it is dropped.
pub(super) async fn follow(parties: &mut [Party]) {
    loop {
        for party in &mut *parties {
            while let Ok(received) = party.received.try_recv() {
                let sid = received.claims.as_ref().map(|claims| text(claims, "sid")).unwrap_or_default();
                let answer = received.status.map_or("nothing".to_owned(), |status| status.to_string());
                println!("  {:<5} received a token for session {sid}, answered {answer}", party.client_id);
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn state(environment: &Environment, id: DeliveryId) -> anyhow::Result<State> {
    Ok(environment.store.summaries(&[id]).await?.first().map_or(State::Discarded, |summary| summary.state))
}

fn is_over(history: &History) -> bool {
    let is = |client_id: &str, state: State| history.states.get(client_id) == Some(&state);
    let tries = |client_id: &str| history.attempts.get(client_id).map_or(0, Vec::len);
    is("shop", State::Delivered) && is("blog", State::Delivered) && tries("wiki") >= tries("blog")
}

fn show_attempt(client_id: &str, number: usize, attempt: &Attempt, state: State, began: Timestamp) {
    let answer = match (attempt.status, attempt.error.as_deref()) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => error.to_owned(),
        (None, None) => String::new(),
    };
    let (style, mark, outcome) = match (attempt.error.is_none(), state) {
        (true, _) => (GOOD, "✓", "delivered"),
        (false, State::Rejected | State::Exhausted | State::Discarded) => (BAD, "✗", state.as_str()),
        (false, _) => (WAITING, "↻", "will be retried"),
    };
    let jti = attempt.jti.map(|jti| jti.to_string()).unwrap_or_default();
    // An attempt may begin in the moment before the answer of the event that is the beginning here.
    let at = attempt.started_at.duration_since(began).as_secs_f32().max(0.0);
    println!(
        "  {} {} {client_id:<5} attempt {number}  {answer:<8} {}  {}",
        paint(style, mark),
        paint(DIM, format_args!("{at:4.1} s")),
        // Padded before it is painted, because escape sequences have no width.
        paint(style, format_args!("{outcome:<17}")),
        paint(DIM, format_args!("jti {}…", &jti[..jti.len().min(8)]))
    );
}

/// A line with the elapsed time, on terminals only.
struct StatusLine {
    terminal: bool,
    shown: bool,
}

impl StatusLine {
    fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal(), shown: false }
    }

    fn show(&mut self, elapsed: Duration) {
        if self.terminal {
            let line = format!("    … {:.1} s, waiting for the next attempts", elapsed.as_secs_f32());
            print!("\r{}", paint(DIM, line));
            // Without a flush the line would stay in the buffer. A failure does not matter.
            let _ = std::io::Write::flush(&mut std::io::stdout());
            self.shown = true;
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            print!("\r{:60}\r", "");
        }
    }
}

impl History {
    /// Prints the token that the shop received, decoded, and the result of its own check.
    pub(super) fn show_token(&self) {
        let Some(received) = self.received.get("shop").and_then(|all| all.first()) else {
            println!("  {} nothing", paint(BAD, "✗"));
            return;
        };
        token_view::show(received.header.as_ref(), received.claims.as_ref());
        let count =
            |wanted: &[RuleOutcome]| received.checks.iter().filter(|it| wanted.contains(&it.outcome)).count();
        let held = count(&[RuleOutcome::Pass, RuleOutcome::Warn]);
        let all = held + count(&[RuleOutcome::Fail]);
        println!(
            "  {}  {held} of {all} rules hold, checked by the shop with its own code",
            paint(DIM, "verify")
        );
    }
}

/// A claim's text.
pub(super) fn text(claims: &Map<String, Value>, name: &str) -> String {
    claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
