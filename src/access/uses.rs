//! When each API token was last used: noted on the way of a request, written later by somebody else.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::access::TokenId;

/// How often a token's last use is written at the most.
pub(super) const WRITE_EVERY: Duration = Duration::from_mins(1);

/// Uses that were not written yet, and when the others were. There are as many as tokens in use.
#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<TokenId, Use>>);

struct Use {
    at: Timestamp,
    noted: bool,
    written: Option<Instant>,
}

impl Uses {
    /// A token was used.
    pub(super) fn note(&self, id: TokenId, at: Timestamp) {
        let mut uses = self.uses();
        let entry = uses.entry(id).or_insert(Use { at, noted: true, written: None });
        entry.at = at;
        entry.noted = true;
    }

    /// What is to be written now: where the last time was long enough ago, or all there is.
    pub(super) fn take_due(&self, now: Instant, all: bool) -> Vec<(TokenId, Timestamp)> {
        let mut due = Vec::new();
        self.uses().retain(|id, entry| {
            let rested = entry.written.is_none_or(|at| now.saturating_duration_since(at) >= WRITE_EVERY);
            if !entry.noted {
                return !rested;
            }
            if rested || all {
                due.push((*id, entry.at));
                entry.noted = false;
                entry.written = Some(now);
            }
            true
        });
        due
    }

    fn uses(&self) -> std::sync::MutexGuard<'_, HashMap<TokenId, Use>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_is_written_once_a_minute_at_the_most() {
        let (uses, id) = (Uses::default(), TokenId(Uuid::nil()));
        let at = |second: i64| Timestamp::from_second(1_700_000_000 + second).unwrap();
        let due = |all| uses.take_due(Instant::now(), all);

        uses.note(id, at(0));
        uses.note(id, at(1));
        assert_eq!(due(false), [(id, at(1))]);
        uses.note(id, at(2));
        assert_eq!(due(false), []);
        tokio::time::advance(WRITE_EVERY).await;
        assert_eq!(due(false), [(id, at(2))]);
        uses.note(id, at(90));
        assert_eq!(due(true), [(id, at(90))]);
        assert_eq!(due(true), []);

        tokio::time::advance(WRITE_EVERY).await;
        assert_eq!(due(false), []);
        assert!(uses.uses().is_empty(), "a token that is not used any more is forgotten");
    }
}
