//! What a mock relying party remembers of earlier requests, within bounds.

use std::collections::{HashMap, VecDeque};

/// How many `jti`s, and how many sessions, are remembered; then the oldest is forgotten.
const CAPACITY: usize = 100_000;

/// Tokens and sessions that one relying party has seen.
#[derive(Default)]
pub(super) struct Memory {
    tokens: Recent,
    sessions: Recent,
}

impl Memory {
    /// Remembers a token; whether it is the first with this `jti`.
    pub(super) fn first_with(&mut self, jti: &str) -> bool {
        self.tokens.count(jti) == 1
    }

    /// Remembers a valid token for a session; how many there were, this one included.
    pub(super) fn token_for(&mut self, session: &str) -> u32 {
        self.sessions.count(session)
    }
}

/// Counts keys, and forgets the one first seen when there are too many.
struct Recent {
    counts: HashMap<String, u32>,
    order: VecDeque<String>,
    capacity: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self { counts: HashMap::new(), order: VecDeque::new(), capacity: CAPACITY }
    }
}

impl Recent {
    fn count(&mut self, key: &str) -> u32 {
        if let Some(count) = self.counts.get_mut(key) {
            *count = count.saturating_add(1);
            return *count;
        }
        if self.order.len() >= self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
        self.counts.insert(key.to_owned(), 1);
        self.order.push_back(key.to_owned());
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut recent = Recent { capacity: 2, ..Recent::default() };
        let counts = ["a", "a", "b", "a", "c", "b", "a"].map(|key| recent.count(key));
        assert_eq!(counts, [1, 2, 1, 3, 1, 2, 1]);
        assert_eq!(recent.counts.len(), 2);
        assert_eq!(recent.order, ["c", "a"]);
    }
}
