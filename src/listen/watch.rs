//! Keeping up with a listener's certificate files while the service runs: loading them again when they change, and
//! warning of certificates that expire soon.

use tokio_util::sync::CancellationToken;

use super::expiry::{Warned, is_warning_due};
use super::files::fingerprint;
use super::tls::Tls;
use crate::watched_files::{Changes, poll};

impl Tls {
    /// Polls the files until `stop`. Failures are logged, once for each state of the files, and leave what was loaded
    /// in use.
    pub async fn watch(self, stop: CancellationToken) {
        poll("a listener's certificate", Watcher::new(self), Watcher::look, stop).await;
    }
}

struct Watcher {
    tls: Tls,
    /// Certificate and key are replaced one after the other.
    changes: Changes,
    warned: Option<Warned>,
}

impl Watcher {
    fn new(tls: Tls) -> Self {
        Self { tls, changes: Changes::settled(), warned: None }
    }

    fn look(&mut self) {
        self.reload_if_changed();
        self.warn_of_expiry();
    }

    fn reload_if_changed(&mut self) {
        let now = fingerprint(&self.tls.inner.files);
        if !self.changes.are_due(&now, &self.tls.current().fingerprint) {
            return;
        }
        let listener = self.tls.listener();
        let reloaded = self.tls.reload();
        match &reloaded {
            Ok(()) => {
                tracing::info!(listener, "a listener's certificate files changed; new connections use them");
            }
            Err(error) => tracing::error!(
                listener, key = error.file.key(), %error,
                "a listener's certificate files changed and cannot be used; the old certificate stays in use"
            ),
        }
        self.changes.loaded(now, reloaded.is_ok());
    }

    fn warn_of_expiry(&mut self) {
        let Some(expires) = self.tls.current().expires else { return };
        let now = self.tls.inner.ambient.now();
        if !is_warning_due(expires, now, self.warned) {
            return;
        }
        self.warned = Some(Warned { expires, at: now });
        let (listener, file) = (self.tls.listener(), self.tls.inner.files.certificate.display());
        if expires <= now {
            tracing::warn!(listener, %file, %expires, "a listener's certificate has expired; callers refuse it");
        } else {
            tracing::warn!(listener, %file, %expires, "a listener's certificate expires soon; renew it");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::listen::test_support::{Authority, Fixture};

    #[test]
    fn a_change_counts_when_it_has_settled() {
        let authority = Authority::new();
        let fixture = Fixture::new(&authority);
        let tls = fixture.open();
        let first = tls.current();
        let mut watcher = Watcher::new(tls.clone());
        watcher.look();
        assert!(Arc::ptr_eq(&first, &tls.current()));

        // A new certificate with the old key is not loaded: it has not settled before the new key is there.
        let renewed = authority.issue(&["localhost"]);
        fixture.put("server.pem", &renewed.certificate_pem);
        watcher.look();
        fixture.put("server.key", &renewed.key_pem);
        watcher.look();
        assert!(Arc::ptr_eq(&first, &tls.current()));
        watcher.look();
        assert!(!Arc::ptr_eq(&first, &tls.current()));
        assert_eq!(fixture.reloads(), (1, 0));
    }

    #[test]
    fn what_cannot_be_used_is_said_once_and_changes_nothing() {
        let authority = Authority::new();
        let fixture = Fixture::new(&authority);
        let tls = fixture.open();
        let first = tls.current();
        let mut watcher = Watcher::new(tls.clone());
        let mut look_often = || (0..5).for_each(|_| watcher.look());

        fixture.put("server.key", &authority.issue(&["localhost"]).key_pem);
        look_often();
        assert_eq!(fixture.reloads(), (0, 1));
        fixture.put("server.key", "-----BEGIN PRIVATE KEY-----\n");
        look_often();
        assert_eq!(fixture.reloads(), (0, 2));
        std::fs::remove_file(fixture.path("server.key")).unwrap();
        look_often();
        assert_eq!(fixture.reloads(), (0, 3));
        assert!(Arc::ptr_eq(&first, &tls.current()));

        let renewed = authority.issue(&["localhost"]);
        fixture.put("server.pem", &renewed.certificate_pem);
        fixture.put("server.key", &renewed.key_pem);
        look_often();
        assert_eq!(fixture.reloads(), (1, 3));
        assert!(!Arc::ptr_eq(&first, &tls.current()));
    }
}
