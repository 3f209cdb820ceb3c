//! Last-used times of API tokens: recorded by requests, written to the store in the background.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::access::TokenId;

/// The minimum time between two writes of a token's last use.
pub(super) const MIN_WRITE_INTERVAL: Duration = Duration::from_mins(1);

/// The last use of each token in use.
#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<TokenId, Use>>);

struct Use {
    at: Timestamp,
    /// Whether it has to be written.
    is_pending: bool,
    /// When a use of this token was last written.
    written_at: Option<Instant>,
}

impl Uses {
    /// Records a use of a token.
    pub(super) fn note(&self, id: TokenId, at: Timestamp) {
        let mut uses = self.uses();
        let entry = uses.entry(id).or_insert(Use { at, is_pending: true, written_at: None });
        entry.at = at;
        entry.is_pending = true;
    }

    /// The uses to write now: of tokens whose last write was long enough ago, or all pending ones.
    pub(super) fn take_due(&self, now: Instant, all: bool) -> Vec<(TokenId, Timestamp)> {
        let mut due = Vec::new();
        self.uses().retain(|id, entry| {
            let is_due =
                entry.written_at.is_none_or(|at| now.saturating_duration_since(at) >= MIN_WRITE_INTERVAL);
            if !entry.is_pending {
                return !is_due;
            }
            if is_due || all {
                due.push((*id, entry.at));
                entry.is_pending = false;
                entry.written_at = Some(now);
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
    async fn a_tokens_last_use_is_written_at_most_once_a_minute() {
        let (uses, id) = (Uses::default(), TokenId(Uuid::nil()));
        let at = |second: i64| Timestamp::from_second(1_700_000_000 + second).unwrap();
        let due = |all| uses.take_due(Instant::now(), all);

        uses.note(id, at(0));
        uses.note(id, at(1));
        assert_eq!(due(false), [(id, at(1))]);
        uses.note(id, at(2));
        assert_eq!(due(false), []);
        tokio::time::advance(MIN_WRITE_INTERVAL).await;
        assert_eq!(due(false), [(id, at(2))]);
        uses.note(id, at(90));
        assert_eq!(due(true), [(id, at(90))]);
        assert_eq!(due(true), []);

        tokio::time::advance(MIN_WRITE_INTERVAL).await;
        assert_eq!(due(false), []);
        assert!(uses.uses().is_empty(), "a token that is no longer used is removed");
    }
}
