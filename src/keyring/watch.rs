//! Keeping up while the service runs: reading the folder again when it changes, rotating when it is time.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Keyring;
use super::folder::{Fingerprint, Folder};

/// How often the folder is looked at.
const POLL: Duration = Duration::from_secs(1);

/// How long a rotation that failed is left alone.
const RETRY_ROTATION: Duration = Duration::from_mins(1);

impl Keyring {
    /// Looks at the folder every second and rotates when due, until `stop`. Failures are logged, once for
    /// each state of the folder, and leave the keys as they were.
    pub async fn watch(self, stop: CancellationToken) {
        let mut watcher = Watcher { keyring: self, failed: Failed::default(), rotate_after: None };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
            // Files and RSA keys both take their time.
            let looked = tokio::task::spawn_blocking(move || {
                watcher.look();
                watcher
            });
            watcher = match looked.await {
                Ok(watcher) => watcher,
                Err(error) => {
                    tracing::error!(%error, "the keys folder is no longer watched; restart logoutd");
                    return;
                }
            };
        }
    }
}

/// What failed last, so that it is logged once and not every second.
#[derive(Default, PartialEq)]
enum Failed {
    #[default]
    Nothing,
    Listing,
    Reload(Fingerprint),
}

struct Watcher {
    keyring: Keyring,
    failed: Failed,
    rotate_after: Option<Timestamp>,
}

impl Watcher {
    fn look(&mut self) {
        self.reload_if_changed();
        self.rotate_if_due();
    }

    fn reload_if_changed(&mut self) {
        let seen = match Folder::inspect(&self.keyring.inner.config.directory).fingerprint() {
            Ok(seen) => seen,
            Err(error) => {
                if self.failed != Failed::Listing {
                    tracing::error!(%error, "the keys folder cannot be read; the keys stay as they are");
                    self.failed = Failed::Listing;
                }
                return;
            }
        };
        if seen == self.keyring.current().fingerprint {
            self.failed = Failed::Nothing;
            return;
        }
        let this_time = Failed::Reload(seen);
        if self.failed == this_time {
            return;
        }
        self.failed = match self.keyring.reload() {
            Ok(()) => {
                tracing::info!(
                    keys = self.keyring.current().keys.len(),
                    "the keys folder changed; its keys are loaded"
                );
                Failed::Nothing
            }
            Err(error) => {
                tracing::error!(%error, "the keys folder changed and cannot be used; the keys stay as they are");
                this_time
            }
        };
    }

    fn rotate_if_due(&mut self) {
        let now = self.keyring.inner.clock.now();
        if self.rotate_after.is_some_and(|after| now < after) {
            return;
        }
        self.rotate_after = match self.keyring.rotate_due() {
            Ok(_) => None,
            Err(error) => {
                tracing::error!(%error, "no new key could be made for rotation; the current one keeps signing");
                now.saturating_add(RETRY_ROTATION).ok()
            }
        };
    }
}
