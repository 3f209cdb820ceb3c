//! Keeping up with the keys folder while the service runs: reading it again when it changes, rotating when due.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Keyring;
use super::folder::Folder;
use crate::watched_files::{Changes, poll};

/// How long after a rotation that failed it is tried again.
const ROTATION_RETRY_INTERVAL: Duration = Duration::from_mins(1);

impl Keyring {
    /// Polls the folder and rotates keys when due, until `stop`. Failures are logged, once for each state of the
    /// folder, and leave the keys as they were.
    pub async fn watch(self, stop: CancellationToken) {
        poll("the keys folder", Watcher::new(self), Watcher::look, stop).await;
    }
}

struct Watcher {
    keyring: Keyring,
    changes: Changes,
    /// Whether the folder could not be listed at the last look.
    is_unreadable: bool,
    rotate_after: Option<Timestamp>,
}

impl Watcher {
    fn new(keyring: Keyring) -> Self {
        Self { keyring, changes: Changes::immediate(), is_unreadable: false, rotate_after: None }
    }

    fn look(&mut self) {
        self.reload_if_changed();
        self.rotate_if_due();
    }

    fn reload_if_changed(&mut self) {
        let now = match Folder::inspect(&self.keyring.inner.config.directory).fingerprint() {
            Ok(now) => now,
            Err(error) => {
                if !self.is_unreadable {
                    tracing::error!(%error, "the keys folder cannot be read; the keys stay as they are");
                    self.keyring.inner.ambient.metrics.keys.reloaded(false);
                    self.is_unreadable = true;
                    self.changes = Changes::immediate();
                }
                return;
            }
        };
        self.is_unreadable = false;
        if !self.changes.are_due(&now, &self.keyring.current().fingerprint) {
            return;
        }
        let reloaded = self.keyring.reload();
        match &reloaded {
            Ok(()) => {
                let keys = self.keyring.current().keys.len();
                tracing::info!(keys, "the keys folder changed; its keys are loaded");
            }
            Err(error) => {
                tracing::error!(%error, "the keys folder changed and cannot be used; the keys stay as they are");
            }
        }
        self.changes.loaded(now, reloaded.is_ok());
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
                now.saturating_add(ROTATION_RETRY_INTERVAL).ok()
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::algorithm::SigningAlg;
    use crate::keyring::tests::{DAY, Fixture, kid, pem};

    fn watcher(keyring: &Keyring) -> Watcher {
        Watcher::new(keyring.clone())
    }

    fn failed_reloads(keyring: &Keyring) -> String {
        let text = keyring.inner.ambient.metrics.encode();
        let count =
            text.lines().find_map(|it| it.strip_prefix("logoutd_keys_reloads_total{outcome=\"failed\"} "));
        count.unwrap().to_owned()
    }

    #[test]
    fn a_new_file_is_taken_over_and_a_torn_one_waits_until_it_is_whole() {
        let fixture = Fixture::new(&[SigningAlg::EdDsa]);
        let keyring = fixture.open().unwrap();
        let mut watcher = watcher(&keyring);
        watcher.look();
        assert_eq!(keyring.keys().len(), 1);

        let content = pem(SigningAlg::Es256);
        fixture.put("b.pem", &content[..40]);
        watcher.look();
        assert_eq!(keyring.keys().len(), 1);
        watcher.look();
        assert_eq!(failed_reloads(&keyring), "1", "each state of the folder is tried once");
        fixture.put("b.pem", &content);
        watcher.look();
        assert_eq!(keyring.signing_key(SigningAlg::Es256).unwrap().kid(), &kid("b"));
        assert_eq!(failed_reloads(&keyring), "1");

        fs::remove_file(fixture.directory().join("b.pem")).unwrap();
        watcher.look();
        assert_eq!(keyring.keys().len(), 1);
    }

    #[test]
    fn what_the_keyring_writes_itself_is_not_read_again() {
        let fixture = Fixture::new(&[SigningAlg::EdDsa]);
        let keyring = fixture.open().unwrap();
        keyring.rotate(SigningAlg::EdDsa, true).unwrap();
        let before = keyring.current();
        watcher(&keyring).look();
        assert!(std::sync::Arc::ptr_eq(&before, &keyring.current()));
    }

    #[test]
    fn a_folder_that_is_gone_leaves_the_keys() {
        let fixture = Fixture::new(&[SigningAlg::EdDsa]);
        let keyring = fixture.open().unwrap();
        let mut watcher = watcher(&keyring);
        fs::rename(fixture.directory(), fixture.directory().with_file_name("moved")).unwrap();
        watcher.look();
        watcher.look();
        assert!(watcher.is_unreadable);
        assert_eq!(failed_reloads(&keyring), "1");
        assert_eq!(keyring.keys().len(), 1);
        fs::rename(fixture.directory().with_file_name("moved"), fixture.directory()).unwrap();
        watcher.look();
        assert!(!watcher.is_unreadable);
    }

    #[test]
    fn rotation_that_fails_is_tried_again_later() {
        let mut fixture = Fixture::new(&[SigningAlg::EdDsa]);
        fixture.config.rotate_every = Some(DAY * 2);
        let keyring = fixture.open().unwrap();
        let mut watcher = watcher(&keyring);
        fixture.clock.advance(DAY * 3);
        fixture.put("bad.pem", "torn");
        watcher.look();
        assert_eq!(keyring.keys().len(), 1);
        fs::remove_file(fixture.directory().join("bad.pem")).unwrap();
        watcher.look();
        assert_eq!(keyring.keys().len(), 1, "it waits a while");
        fixture.clock.advance(ROTATION_RETRY_INTERVAL);
        watcher.look();
        assert_eq!(keyring.keys().len(), 2);
    }

    #[tokio::test]
    async fn it_stops_when_told() {
        let fixture = Fixture::new(&[SigningAlg::EdDsa]);
        let stop = CancellationToken::new();
        let watching = tokio::spawn(fixture.open().unwrap().watch(stop.clone()));
        stop.cancel();
        watching.await.unwrap();
    }
}
