//! Hashes of recently verified access tokens. They are only used to exempt these tokens from the serial verification
//! for blocked sources; every token is verified on every request.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::access::TokenHash;

/// The maximum number of hashes.
const CAPACITY: usize = 4096;

/// When the set is full, hashes older than this are removed: most access tokens have expired by then.
const RETENTION: Duration = Duration::from_hours(1);

/// The set of hashes, with the time of the last verification.
#[derive(Default)]
pub(super) struct VerifiedTokens(Mutex<HashMap<[u8; 32], Instant>>);

impl VerifiedTokens {
    /// Whether the token was verified.
    pub(super) fn contains(&self, hash: &TokenHash) -> bool {
        self.tokens().contains_key(&hash.0)
    }

    /// Records that the token was verified now.
    pub(super) fn insert(&self, hash: &TokenHash) {
        let now = Instant::now();
        let mut tokens = self.tokens();
        if tokens.len() >= CAPACITY && !tokens.contains_key(&hash.0) {
            tokens.retain(|_, at| now.saturating_duration_since(*at) < RETENTION);
            if tokens.len() >= CAPACITY {
                // Tokens in use are inserted again with their next request.
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
    async fn the_set_is_bounded() {
        let verified = VerifiedTokens::default();
        for number in 0..10 * CAPACITY {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            verified.insert(&TokenHash(hash));
            assert!(verified.contains(&TokenHash(hash)) && verified.tokens().len() <= CAPACITY);
        }
    }
}
