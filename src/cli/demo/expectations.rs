//! The expectations of the demo, and whether they held.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::environment::FAILURES;
use super::progress::{History, text};
use crate::cli::style::{BAD, GOOD, paint};
use crate::cli::terminal::println;
use crate::domain::delivery::{Attempt, State};
use crate::relying_party::mock::{Received, Verdict};

/// One expectation.
pub(super) struct Expectation {
    held: bool,
    text: String,
}

impl Expectation {
    /// Every expectation of the demo, compared with what happened.
    pub(super) fn all(history: &History) -> Vec<Self> {
        let attempts = |client_id: &str| history.attempts.get(client_id).map_or(&[][..], Vec::as_slice);
        let received = |client_id: &str| history.received.get(client_id).map_or(&[][..], Vec::as_slice);
        let is = |client_id: &str, state: State| history.states.get(client_id) == Some(&state);
        let failures = FAILURES as usize;
        let down = attempts("wiki").len();
        vec![
            Self::new(
                is("shop", State::Delivered) && attempts("shop").len() == 1,
                "the shop is healthy: it got its token at the first attempt",
            ),
            Self::new(
                is("blog", State::Delivered) && attempts("blog").len() == failures + 1,
                format!("the blog failed {failures} times: it got its token after {failures} retries"),
            ),
            Self::new(
                fresh(attempts("blog")) && fresh(attempts("wiki")),
                "every attempt carried a new token, with a jti of its own",
            ),
            Self::new(
                !is("wiki", State::Delivered) && !history.states.get("wiki").is_none_or(|it| it.is_final()),
                format!(
                    "the wiki is down: after {down} attempts its delivery waits in the store for the next attempt"
                ),
            ),
            Self::new(
                received("shop").iter().any(|it| metadata(it) == Some(&json!("org_def456")))
                    && received("blog").iter().all(|it| metadata(it).is_none()),
                "only the token of the shop, which is configured to get it, contains the session metadata",
            ),
            Self::new(
                ["shop", "blog"].iter().all(|id| valid(received(id))),
                "every relying party verified its tokens with its own code",
            ),
        ]
    }

    fn new(held: bool, text: impl Into<String>) -> Self {
        Self { held, text: text.into() }
    }

    /// Whether it held.
    pub(super) fn held(&self) -> bool {
        self.held
    }

    /// Prints it.
    pub(super) fn show(&self) {
        let mark = if self.held { paint(GOOD, "✓") } else { paint(BAD, "✗") };
        println!("  {mark} {}", self.text);
    }
}

fn fresh(attempts: &[Attempt]) -> bool {
    let jtis: BTreeSet<_> = attempts.iter().filter_map(|attempt| attempt.jti).collect();
    attempts.len() > 1 && jtis.len() == attempts.len()
}

fn metadata(received: &Received) -> Option<&Value> {
    let claims: &Map<String, Value> = received.claims.as_ref()?;
    claims.get("session_metadata").map(|metadata| &metadata["org_id"])
}

fn valid(received: &[Received]) -> bool {
    let named = |it: &Received| it.claims.as_ref().is_some_and(|claims| !text(claims, "sid").is_empty());
    !received.is_empty() && received.iter().all(|it| it.verdict == Verdict::Valid && named(it))
}
