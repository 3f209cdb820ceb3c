//! A listener's current TLS configuration, and reloading it.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use rustls::ServerConfig;

use super::error::TlsError;
use super::files;
use super::identity::Identity;
use crate::ambient::Ambient;
use crate::config;
use crate::telemetry::metrics::ListenerMetrics;
use crate::watched_files::Fingerprint;

/// A listener's TLS: its files as last loaded successfully. Clones share it.
#[derive(Clone)]
pub struct Tls {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) listener: &'static str,
    pub(super) files: config::Tls,
    pub(super) ambient: Ambient,
    current: RwLock<Arc<Current>>,
}

/// The loaded files, and what they looked like just before.
pub(super) struct Current {
    pub(super) config: Arc<ServerConfig>,
    pub(super) expires: Option<Timestamp>,
    pub(super) fingerprint: Fingerprint,
}

/// Checks that files can be loaded.
pub fn check(files: &config::Tls) -> Result<(), TlsError> {
    Identity::load(files).map(drop)
}

impl Tls {
    /// Loads the files. `listener` is the listener's name for the log and the metrics, `server` or `management`. Blocks.
    pub fn open(listener: &'static str, files: config::Tls, ambient: Ambient) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(Current::load(&files)?));
        let tls = Self { inner: Arc::new(Inner { listener, files, ambient, current }) };
        tls.show_expiry();
        Ok(tls)
    }

    /// The listener's name.
    pub fn listener(&self) -> &'static str {
        self.inner.listener
    }

    /// Loads the files again, for new connections. On an error the previous ones stay in use. Blocks.
    pub fn reload(&self) -> Result<(), TlsError> {
        let loaded = Current::load(&self.inner.files);
        self.metrics().reloaded(self.inner.listener, loaded.is_ok());
        *self.inner.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded?);
        self.show_expiry();
        Ok(())
    }

    pub(super) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.inner.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn metrics(&self) -> &ListenerMetrics {
        &self.inner.ambient.metrics.listeners
    }

    fn show_expiry(&self) {
        self.metrics().expires(self.inner.listener, self.current().expires);
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.inner.files).finish_non_exhaustive()
    }
}

impl Current {
    fn load(files: &config::Tls) -> Result<Self, TlsError> {
        // Taken first, so that a change while they are read counts as one afterwards.
        let fingerprint = files::fingerprint(files);
        let Identity { config, expires } = Identity::load(files)?;
        Ok(Self { config, expires, fingerprint })
    }
}
