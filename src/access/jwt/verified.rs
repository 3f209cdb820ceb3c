//! Which access tokens were verified a while ago, by their hashes: they are no guesses. It decides nothing else;
//! each is verified again, every time.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::access::TokenHash;

/// How many are remembered.
const MOST: usize = 4096;

/// For how long one is remembered at least, if there is room: longer than most are valid.
const KEPT_FOR: Duration = Duration::from_hours(1);

/// Tokens that were verified.
#[derive(Default)]
pub(super) struct Verified(Mutex<HashMap<[u8; 32], Instant>>);

impl Verified {
    /// Whether it was verified.
    pub(super) fn contains(&self, hash: &TokenHash) -> bool {
        self.tokens().contains_key(&hash.0)
    }

    /// It was verified just now.
    pub(super) fn insert(&self, hash: &TokenHash) {
        let now = Instant::now();
        let mut tokens = self.tokens();
        if tokens.len() >= MOST && !tokens.contains_key(&hash.0) {
            tokens.retain(|_, at| now.saturating_duration_since(*at) < KEPT_FOR);
            if tokens.len() >= MOST {
                // The others are remembered again when they come next.
                tokens.clear();
            }
        }
        tokens.insert(hash.0, now);
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Instant>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let verified = Verified::default();
        for number in 0..10 * MOST {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            verified.insert(&TokenHash(hash));
            assert!(verified.contains(&TokenHash(hash)) && verified.tokens().len() <= MOST);
        }
    }
}
