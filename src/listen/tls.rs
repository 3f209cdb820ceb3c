//! A listener's TLS at present, and replacing it.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use rustls::ServerConfig;

use super::error::TlsError;
use super::files::{Fingerprint, TlsFiles};
use super::identity::Identity;
use crate::ambient::Ambient;
use crate::telemetry::metrics::ListenerMetrics;

/// What a listener's TLS is made of.
pub struct TlsConfig {
    /// The listener's name, for the log and the metrics: `server` or `management`.
    pub listener: &'static str,
    /// Its files.
    pub files: TlsFiles,
    /// Time and metrics.
    pub ambient: Ambient,
}

/// A listener's TLS, as its files last were when they could be used. Clones share it.
#[derive(Clone)]
pub struct Tls {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) listener: &'static str,
    pub(super) files: TlsFiles,
    pub(super) ambient: Ambient,
    current: RwLock<Arc<Current>>,
}

/// What was loaded, and what the files looked like just before.
pub(super) struct Current {
    pub(super) config: Arc<ServerConfig>,
    pub(super) expires: Option<Timestamp>,
    pub(super) fingerprint: Fingerprint,
}

/// Checks that files can be used, and keeps nothing of them.
pub fn check(files: &TlsFiles) -> Result<(), TlsError> {
    Identity::load(files).map(drop)
}

impl Tls {
    /// Loads the files. It blocks.
    pub fn open(config: TlsConfig) -> Result<Self, TlsError> {
        let TlsConfig { listener, files, ambient } = config;
        let current = RwLock::new(Arc::new(Current::load(&files)?));
        let tls = Self { inner: Arc::new(Inner { listener, files, ambient, current }) };
        tls.show_expiry();
        Ok(tls)
    }

    /// The listener's name.
    pub fn listener(&self) -> &'static str {
        self.inner.listener
    }

    /// Loads the files again: new connections get what they say now. If they cannot be used, everything stays
    /// as it is. It blocks.
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
    fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        // Taken first: whatever changes while they are read is seen as a change afterwards.
        let fingerprint = files.fingerprint();
        let Identity { config, expires } = Identity::load(files)?;
        Ok(Self { config, expires, fingerprint })
    }
}
