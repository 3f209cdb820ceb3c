//! Retries of transactions that conflict with those of other processes that have the same store open.

use std::time::Duration;

use crate::entropy::Entropy;

/// How often one transaction is run, the first time included. Then its requests are answered as in an outage.
const MAX_RUNS: u32 = 10;

/// The pause before the second run. It doubles with each further run.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause. All pauses together are at most 0.92 seconds.
const MAX_PAUSE: Duration = Duration::from_millis(200);

/// The runs of one transaction.
#[derive(Debug)]
pub(super) struct ConflictRetries {
    runs: u32,
}

impl ConflictRetries {
    /// Its first run is about to begin.
    pub(super) fn new() -> Self {
        Self { runs: 1 }
    }

    /// Waits before the next run; `false` if there is to be none.
    pub(super) async fn wait(&mut self, entropy: &dyn Entropy) -> bool {
        if self.runs >= MAX_RUNS {
            return false;
        }
        let longest = MAX_PAUSE.min(FIRST_PAUSE * 2_u32.pow(self.runs - 1));
        self.runs += 1;
        // Of processes that conflicted, each waits for another time.
        let pause = longest.mul_f64(0.5 + 0.5 * entropy.fraction());
        tracing::debug!(
            run = self.runs,
            ?pause,
            "a transaction conflicted with another one and is run again"
        );
        tokio::time::sleep(pause).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::entropy::SystemEntropy;

    #[tokio::test(start_paused = true)]
    async fn runs_and_pauses_are_bounded() {
        let entropy = SystemEntropy::new();
        let (began, mut runs, mut retries) = (Instant::now(), 1, ConflictRetries::new());
        while retries.wait(&entropy).await {
            runs += 1;
        }
        assert_eq!(runs, MAX_RUNS);
        let took = began.elapsed();
        assert!((Duration::from_millis(457)..=Duration::from_millis(930)).contains(&took), "{took:?}");
    }
}
