//! Signing keys: a folder of private keys, when each of them signs, and the JWKS that publishes them.
//!
//! A [`Keyring`] is one reading of the folder, replaced as a whole when the folder changes; a reading that
//! fails leaves the previous one in use. What a key is (next, current, retired) follows from its times and
//! the clock, at every call. It must not know what is signed: tokens are built elsewhere.

mod certificate;
mod change;
mod error;
mod folder;
mod generate;
mod generation;
mod info;
mod jwk;
mod key_file;
mod kid;
mod lock;
mod manage;
mod manifest;
mod material;
mod pkcs8_pem;
pub mod provider;
mod schedule;
mod signing_key;
mod watch;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use jiff::Timestamp;

pub use self::certificate::Certificate;
use self::certificate::Certificates;
use self::change::Change;
pub use self::error::{KeyError, KeyringError, SignError};
use self::folder::Folder;
pub use self::generate::RsaBits;
use self::generation::{Generation, Rules};
pub use self::info::KeyInfo;
pub use self::jwk::{JwkSet, PublicJwk};
pub use self::kid::{Kid, KidError};
pub use self::manage::{GenerateKey, ImportKey, RetiredKey, RotatedKey};
pub use self::material::KeyKind;
pub use self::schedule::KeyState;
use self::schedule::{Policy, Schedule};
pub use self::signing_key::SigningKey;
use crate::ambient::Ambient;
use crate::config;
use crate::domain::algorithm::SigningAlg;

/// The signing keys. Clones share them.
#[derive(Clone)]
pub struct Keyring {
    inner: Arc<Inner>,
}

struct Inner {
    config: config::Keys,
    /// The algs that clients use: a reload that removes the key of one of them fails.
    required: RwLock<BTreeSet<SigningAlg>>,
    policy: Policy,
    ambient: Ambient,
    generation: RwLock<Arc<Generation>>,
    /// Held while a generation is being replaced. The folder's lock does this between processes, and a
    /// read-only folder has none.
    changing: Mutex<()>,
    certificates: Certificates,
}

impl Keyring {
    /// Loads the folder; makes it, and a key for each of `config.algorithms` that has none, where missing.
    ///
    /// `required` are the algs that clients use: one that nothing signs is an error. [`require`](Self::require)
    /// changes them. Makes RSA keys, reads and writes files: keep it off the async workers.
    pub fn open(
        config: config::Keys,
        required: &BTreeSet<SigningAlg>,
        ambient: Ambient,
    ) -> Result<Self, KeyringError> {
        let keyring = Self::unloaded(config, required.clone(), ambient);
        keyring.load()?;
        if keyring.current().read_only {
            tracing::warn!(
                directory = %keyring.inner.config.directory.display(),
                "the keys folder is read-only: keys are not made or rotated here, and states are not kept over a restart",
            );
        }
        Ok(keyring)
    }

    /// Reads the folder without changing anything, for commands. A missing folder counts as empty.
    pub fn inspect(config: config::Keys, ambient: Ambient) -> Result<Self, KeyringError> {
        let keyring = Self::unloaded(config, BTreeSet::new(), ambient);
        let directory = &keyring.inner.config.directory;
        if directory.try_exists().map_err(KeyringError::io("open the keys folder", directory))? {
            let folder = Folder::inspect(directory);
            let now = keyring.inner.ambient.now();
            let wanted = keyring.inner.wanted();
            let rules = keyring.inner.rules(&wanted, now);
            let (generation, _) = Generation::load(&folder, &Schedule::default(), rules)?;
            keyring.inner.replace(generation);
        }
        Ok(keyring)
    }

    /// The key that signs `alg` now.
    pub fn signing_key(&self, alg: SigningAlg) -> Option<Arc<SigningKey>> {
        self.current().signing_key(alg, self.inner.ambient.now()).cloned()
    }

    /// The public keys: current, next and recently retired.
    pub fn jwks(&self) -> JwkSet {
        let generation = self.current();
        let published = self.keys().into_iter().filter(|key| key.published);
        let keys =
            published.filter_map(|key| generation.keys.get(&key.kid)).map(|key| key.public_jwk().clone());
        JwkSet { keys: keys.collect() }
    }

    /// The algs that something signs now, in the order of [`SigningAlg::ALL`].
    pub fn algorithms(&self) -> Vec<SigningAlg> {
        let (generation, now) = (self.current(), self.inner.ambient.now());
        SigningAlg::ALL.into_iter().filter(|alg| generation.signing_key(*alg, now).is_some()).collect()
    }

    /// Reads the folder again, as at the start: on SIGHUP. On an error everything stays as it was.
    pub fn reload(&self) -> Result<(), KeyringError> {
        let outcome = self.load();
        self.inner.ambient.metrics.keys.reloaded(outcome.is_ok());
        outcome
    }

    fn load(&self) -> Result<(), KeyringError> {
        self.change(|change| {
            for alg in &self.inner.config.algorithms {
                change.succeed(*alg, None)?;
            }
            change.require_signed(&self.kept())
        })
    }

    /// Replaces the algs that clients use: a reload that removes the key of one of them fails, so that their deliveries go on. Returns those that nothing signs
    /// now, in the order of [`SigningAlg::ALL`].
    pub fn require(&self, algs: BTreeSet<SigningAlg>) -> Vec<SigningAlg> {
        let (generation, now) = (self.current(), self.inner.ambient.now());
        let unsigned =
            algs.iter().filter(|alg| generation.signing_key(**alg, now).is_none()).copied().collect();
        *self.inner.required.write().unwrap_or_else(PoisonError::into_inner) = algs;
        unsigned
    }

    /// The algs that a reload must have a key for: those that clients use and that have one now; when nothing is loaded yet, all
    /// that clients use.
    fn kept(&self) -> BTreeSet<SigningAlg> {
        let (generation, now) = (self.current(), self.inner.ambient.now());
        let mut kept = self.inner.required();
        if !generation.keys.is_empty() {
            kept.retain(|alg| generation.signing_key(*alg, now).is_some());
        }
        kept
    }

    fn unloaded(config: config::Keys, required: BTreeSet<SigningAlg>, ambient: Ambient) -> Self {
        let policy = Policy::from(&config);
        let generation = RwLock::default();
        let changing = Mutex::default();
        let (required, certificates) = (RwLock::new(required), Certificates::default());
        let inner = Inner { config, required, policy, ambient, generation, changing, certificates };
        Self { inner: Arc::new(inner) }
    }

    fn current(&self) -> Arc<Generation> {
        self.inner.generation.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Locks and reads the folder, makes a change, writes it, and publishes the result. A change that fails has no effect.
    fn change<T>(
        &self,
        make: impl FnOnce(&mut Change<'_>) -> Result<T, KeyringError>,
    ) -> Result<T, KeyringError> {
        let inner = &*self.inner;
        let _alone = inner.alone();
        let directory = &inner.config.directory;
        let known = self.current();
        if known.keys.is_empty() {
            Folder::make(directory)?;
        }
        let folder = Folder::lock(directory)?;
        // Read once the lock is held: waiting for it takes time.
        let wanted = inner.wanted();
        let rules = inner.rules(&wanted, inner.ambient.now());
        let mut change = Change::begin(folder, &known.schedule, rules, &*inner.ambient.entropy)?;
        // Most likely an unmounted volume: generating new keys would be worse than keeping the old ones.
        if !known.keys.is_empty() && change.generation.keys.is_empty() {
            return Err(KeyringError::AllGone(directory.clone()));
        }
        let result = make(&mut change)?;
        inner.replace(change.commit()?);
        Ok(result)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("directory", &self.inner.config.directory).finish_non_exhaustive()
    }
}

impl Inner {
    fn alone(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn required(&self) -> BTreeSet<SigningAlg> {
        self.required.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The algs that an RSA key without one may be assigned.
    fn wanted(&self) -> BTreeSet<SigningAlg> {
        let mut wanted = self.required();
        wanted.extend(&self.config.algorithms);
        wanted
    }

    fn rules<'a>(&'a self, wanted: &'a BTreeSet<SigningAlg>, now: Timestamp) -> Rules<'a> {
        Rules { wanted, policy: &self.policy, now }
    }

    fn replace(&self, generation: Generation) {
        *self.generation.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(generation);
    }
}

#[cfg(test)]
mod tests;
