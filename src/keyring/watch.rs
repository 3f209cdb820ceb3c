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
                    self.keyring.inner.ambient.metrics.keys.reloaded(false);
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
        let now = self.keyring.inner.ambient.now();
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::algorithm::SigningAlg;
    use crate::keyring::tests::{Bench, DAY, kid, pem};

    fn watcher(keyring: &Keyring) -> Watcher {
        Watcher { keyring: keyring.clone(), failed: Failed::default(), rotate_after: None }
    }

    #[test]
    fn a_new_file_is_taken_over_and_a_torn_one_waits_until_it_is_whole() {
        let bench = Bench::new(&[SigningAlg::EdDsa]);
        let keyring = bench.open().unwrap();
        let mut watcher = watcher(&keyring);
        watcher.look();
        assert_eq!(keyring.keys().len(), 1);

        let content = pem(SigningAlg::Es256);
        bench.put("b.pem", &content[..40]);
        watcher.look();
        assert_eq!(keyring.keys().len(), 1);
        assert!(matches!(watcher.failed, Failed::Reload(_)));
        bench.put("b.pem", &content);
        watcher.look();
        assert_eq!(keyring.signing_key(SigningAlg::Es256).unwrap().kid(), &kid("b"));
        assert!(watcher.failed == Failed::Nothing);

        fs::remove_file(bench.directory().join("b.pem")).unwrap();
        watcher.look();
        assert_eq!(keyring.keys().len(), 1);
    }

    #[test]
    fn what_the_keyring_writes_itself_is_not_read_again() {
        let bench = Bench::new(&[SigningAlg::EdDsa]);
        let keyring = bench.open().unwrap();
        keyring.rotate(SigningAlg::EdDsa, true).unwrap();
        let before = keyring.current();
        watcher(&keyring).look();
        assert!(std::sync::Arc::ptr_eq(&before, &keyring.current()));
    }

    #[test]
    fn a_folder_that_is_gone_leaves_the_keys() {
        let bench = Bench::new(&[SigningAlg::EdDsa]);
        let keyring = bench.open().unwrap();
        let mut watcher = watcher(&keyring);
        fs::rename(bench.directory(), bench.directory().with_file_name("moved")).unwrap();
        watcher.look();
        assert!(watcher.failed == Failed::Listing);
        assert_eq!(keyring.keys().len(), 1);
        fs::rename(bench.directory().with_file_name("moved"), bench.directory()).unwrap();
        watcher.look();
        assert!(watcher.failed == Failed::Nothing);
    }

    #[test]
    fn rotation_that_fails_is_tried_again_later() {
        let mut bench = Bench::new(&[SigningAlg::EdDsa]);
        bench.config.rotate_every = Some(DAY * 2);
        let keyring = bench.open().unwrap();
        let mut watcher = watcher(&keyring);
        bench.clock.advance(DAY * 3);
        bench.put("bad.pem", "torn");
        watcher.look();
        assert_eq!(keyring.keys().len(), 1);
        fs::remove_file(bench.directory().join("bad.pem")).unwrap();
        watcher.look();
        assert_eq!(keyring.keys().len(), 1, "it waits a while");
        bench.clock.advance(RETRY_ROTATION);
        watcher.look();
        assert_eq!(keyring.keys().len(), 2);
    }

    #[tokio::test]
    async fn it_stops_when_told() {
        let bench = Bench::new(&[SigningAlg::EdDsa]);
        let stop = CancellationToken::new();
        let watching = tokio::spawn(bench.open().unwrap().watch(stop.clone()));
        stop.cancel();
        watching.await.unwrap();
    }
}
