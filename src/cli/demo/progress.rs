//! The deliveries of the demo as they happen, line by line.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use anstream::print;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::stage::{Party, Stage, Watched};
use crate::cli::style::{BAD, DIM, GOOD, WAITING, paint};
use crate::cli::terminal::println;
use crate::cli::token_view;
use crate::domain::delivery::{Attempt, State};
use crate::domain::ids::DeliveryId;
use crate::relying_party::mock::Received;
use crate::relying_party::rules::Outcome;

/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(40);

/// What happened, for whoever tells it afterwards.
pub(super) struct Story {
    /// The attempts of each client's delivery.
    pub(super) attempts: BTreeMap<String, Vec<Attempt>>,
    /// Where each client's delivery stands.
    pub(super) states: BTreeMap<String, State>,
    /// What each relying party that is up received.
    pub(super) received: BTreeMap<&'static str, Vec<Received>>,
}

/// Shows every attempt as it is made, until the shop and the blog have their tokens and the wiki was tried
/// as often as the blog; or until patience runs out.
pub(super) async fn watch(
    stage: &mut Stage,
    deliveries: &[Watched],
    patience: Duration,
) -> anyhow::Result<Story> {
    let began = Instant::now();
    let mut first: Option<Timestamp> = None;
    let mut status_line = StatusLine::new();
    let mut story = Story { attempts: BTreeMap::new(), states: BTreeMap::new(), received: BTreeMap::new() };
    loop {
        for delivery in deliveries {
            let records = stage.store.attempts(delivery.id).await?;
            let attempts: Vec<Attempt> = records.into_iter().map(|it| it.attempt).collect();
            let state = state(stage, delivery.id).await?;
            let shown = story.attempts.get(&delivery.client_id).map_or(0, Vec::len);
            for (number, attempt) in attempts.iter().enumerate().skip(shown) {
                status_line.clear();
                let first = *first.get_or_insert(attempt.started_at);
                show_attempt(&delivery.client_id, number + 1, attempt, state, first);
            }
            story.attempts.insert(delivery.client_id.clone(), attempts);
            story.states.insert(delivery.client_id.clone(), state);
        }
        if told(&story) || began.elapsed() > patience {
            break;
        }
        status_line.show(began.elapsed());
        tokio::time::sleep(LOOK).await;
    }
    status_line.clear();
    for party in stage.parties() {
        let received = std::iter::from_fn(|| party.received.try_recv().ok()).collect();
        story.received.insert(party.client_id, received);
    }
    Ok(story)
}

/// Shows what the relying parties receive, for as long as it is polled.
pub(super) async fn follow(parties: &mut [Party]) {
    loop {
        for party in &mut *parties {
            while let Ok(received) = party.received.try_recv() {
                let sid = received.claims.as_ref().map(|claims| text(claims, "sid")).unwrap_or_default();
                let answer = received.status.map_or("nothing".to_owned(), |status| status.to_string());
                println!("  {:<5} received a token for session {sid}, answered {answer}", party.client_id);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn state(stage: &Stage, id: DeliveryId) -> anyhow::Result<State> {
    Ok(stage.store.summaries(&[id]).await?.first().map_or(State::Discarded, |summary| summary.state))
}

fn told(story: &Story) -> bool {
    let is = |client_id: &str, state: State| story.states.get(client_id) == Some(&state);
    let tries = |client_id: &str| story.attempts.get(client_id).map_or(0, Vec::len);
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
        (false, _) => (WAITING, "↻", "tried again later"),
    };
    let jti = attempt.jti.map(|jti| jti.to_string()).unwrap_or_default();
    let at = attempt.started_at.duration_since(began).as_secs_f32();
    println!(
        "  {} {} {client_id:<5} attempt {number}  {answer:<8} {}  {}",
        paint(style, mark),
        paint(DIM, format_args!("{at:4.1} s")),
        // Padded before it is painted: escapes have no width.
        paint(style, format_args!("{outcome:<17}")),
        paint(DIM, format_args!("jti {}…", &jti[..jti.len().min(8)]))
    );
}

/// A line that says time is passing, where there is a terminal to say it to.
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
            // A line that stays in the buffer shows nothing; there is nobody to tell if that fails.
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

impl Story {
    /// The token the shop took, decoded, and what its own check of it says.
    pub(super) fn show_token(&self) {
        let Some(received) = self.received.get("shop").and_then(|all| all.first()) else {
            println!("  {} nothing", paint(BAD, "✗"));
            return;
        };
        token_view::show(received.header.as_ref(), received.claims.as_ref());
        let count =
            |wanted: &[Outcome]| received.checks.iter().filter(|it| wanted.contains(&it.outcome)).count();
        let held = count(&[Outcome::Pass, Outcome::Warn]);
        let all = held + count(&[Outcome::Fail]);
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
