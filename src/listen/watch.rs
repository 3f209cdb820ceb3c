//! Keeping up while the service runs: loading the files again when they change, and saying when a
//! certificate is about to expire.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::expiry::{Warned, is_warning_due};
use super::files::Fingerprint;
use super::tls::Tls;

/// How often the files are looked at.
const POLL: Duration = Duration::from_secs(1);

impl Tls {
    /// Looks at the files every second, until `stop`. Failures are logged, once for each state of the files,
    /// and leave what was loaded in use.
    pub async fn watch(self, stop: CancellationToken) {
        let mut watcher = Watcher::new(self);
        loop {
            // Files take their time.
            let looked = tokio::task::spawn_blocking(move || {
                watcher.look();
                watcher
            });
            watcher = match looked.await {
                Ok(watcher) => watcher,
                Err(error) => {
                    tracing::error!(%error, "a listener's certificate is no longer watched; restart logoutd");
                    return;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

struct Watcher {
    tls: Tls,
    /// What the files looked like the last time.
    seen: Fingerprint,
    /// What they looked like when they could not be used.
    failed: Option<Fingerprint>,
    warned: Option<Warned>,
}

impl Watcher {
    fn new(tls: Tls) -> Self {
        let seen = tls.current().fingerprint.clone();
        Self { tls, seen, failed: None, warned: None }
    }

    fn look(&mut self) {
        self.reload_if_changed();
        self.warn_of_expiry();
    }

    fn reload_if_changed(&mut self) {
        let now = self.tls.inner.files.fingerprint();
        let settled = now == self.seen;
        self.seen = now;
        // Certificate and key are replaced one after the other: they count when they have not changed between
        // two looks.
        if !settled {
            return;
        }
        if self.seen == self.tls.current().fingerprint {
            self.failed = None;
            return;
        }
        if self.failed.as_ref() == Some(&self.seen) {
            return;
        }
        let listener = self.tls.listener();
        self.failed = match self.tls.reload() {
            Ok(()) => {
                tracing::info!(listener, "a listener's certificate files changed; new connections use them");
                None
            }
            Err(error) => {
                tracing::error!(
                    listener, key = error.file.key(), %error,
                    "a listener's certificate files changed and cannot be used; the old certificate stays in use"
                );
                Some(self.seen.clone())
            }
        };
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
    use crate::listen::test_support::{Authority, Bench};

    #[test]
    fn a_change_counts_when_it_has_settled() {
        let authority = Authority::new();
        let bench = Bench::new(&authority);
        let tls = bench.open();
        let first = tls.current();
        let mut watcher = Watcher::new(tls.clone());
        watcher.look();
        assert!(Arc::ptr_eq(&first, &tls.current()));

        // The certificate alone does not go with the old key: nobody looks at it before the key is there.
        let renewed = authority.issue(&["localhost"]);
        bench.put("server.pem", &renewed.certificate_pem);
        watcher.look();
        bench.put("server.key", &renewed.key_pem);
        watcher.look();
        assert!(Arc::ptr_eq(&first, &tls.current()));
        watcher.look();
        assert!(!Arc::ptr_eq(&first, &tls.current()));
        assert_eq!(bench.reloads(), (1, 0));
    }

    #[test]
    fn what_cannot_be_used_is_said_once_and_changes_nothing() {
        let authority = Authority::new();
        let bench = Bench::new(&authority);
        let tls = bench.open();
        let first = tls.current();
        let mut watcher = Watcher::new(tls.clone());
        let mut look_often = || (0..5).for_each(|_| watcher.look());

        bench.put("server.key", &authority.issue(&["localhost"]).key_pem);
        look_often();
        assert_eq!(bench.reloads(), (0, 1));
        bench.put("server.key", "-----BEGIN PRIVATE KEY-----\n");
        look_often();
        assert_eq!(bench.reloads(), (0, 2));
        std::fs::remove_file(bench.path("server.key")).unwrap();
        look_often();
        assert_eq!(bench.reloads(), (0, 3));
        assert!(Arc::ptr_eq(&first, &tls.current()));

        let renewed = authority.issue(&["localhost"]);
        bench.put("server.pem", &renewed.certificate_pem);
        bench.put("server.key", &renewed.key_pem);
        look_often();
        assert_eq!(bench.reloads(), (1, 3));
        assert!(!Arc::ptr_eq(&first, &tls.current()));
    }
}
