//! The signing keys: a folder of private keys, when each of them signs, and the JWKS that shows them.
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
mod jwk;
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
use serde::Serialize;

pub use self::certificate::Certificate;
use self::certificate::Certificates;
use self::change::Change;
pub use self::error::{KeyError, KeyringError, SignError};
use self::folder::Folder;
pub use self::generate::RsaBits;
use self::generation::{Generation, Rules};
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
    /// What clients use: a reload that takes away the key of one of these fails.
    required: RwLock<BTreeSet<SigningAlg>>,
    policy: Policy,
    ambient: Ambient,
    generation: RwLock<Arc<Generation>>,
    /// Held while a generation is being replaced. The folder's lock does this between processes, and a
    /// read-only folder has none.
    changing: Mutex<()>,
    certificates: Certificates,
}

/// What there is to say about a key. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Its id.
    pub kid: Kid,
    /// Its alg.
    pub alg: SigningAlg,
    /// RSA with its size, or the curve.
    #[serde(serialize_with = "as_text")]
    pub kind: KeyKind,
    /// What it is now.
    pub state: KeyState,
    /// Since when logoutd has had it.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub activates_at: Timestamp,
    /// Since when it signs no more.
    pub retired_at: Option<Timestamp>,
    /// Whether it is in the JWKS now.
    pub published: bool,
    /// When it leaves, or left, the JWKS; known once it is retired.
    pub published_until: Option<Timestamp>,
    /// When it was taken out of the JWKS as compromised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
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

    /// Looks at the folder as it is, changing nothing: for `keys list` and as a start for other commands.
    /// A missing folder is an empty one.
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

    /// Every key there is: current ones first, then next, then retired; by alg in each.
    pub fn keys(&self) -> Vec<KeyInfo> {
        let (generation, now) = (self.current(), self.inner.ambient.now());
        let mut keys: Vec<KeyInfo> =
            generation.keys.values().filter_map(|key| self.inner.info(&generation, key, now)).collect();
        keys.sort_by(|a, b| (a.state, a.alg, &a.kid).cmp(&(b.state, b.alg, &b.kid)));
        keys
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

    /// Says which algs clients use from now on, in place of what was said before: a folder that takes away the
    /// key of one of them is not taken over, so that their deliveries go on. Returns those that nothing signs
    /// now, in the order of [`SigningAlg::ALL`].
    pub fn require(&self, algs: BTreeSet<SigningAlg>) -> Vec<SigningAlg> {
        let (generation, now) = (self.current(), self.inner.ambient.now());
        let unsigned =
            algs.iter().filter(|alg| generation.signing_key(**alg, now).is_none()).copied().collect();
        *self.inner.required.write().unwrap_or_else(PoisonError::into_inner) = algs;
        unsigned
    }

    /// What a new reading of the folder must have a key of: what clients use and this one has, or, for the
    /// first reading, all that clients use.
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

    /// Locks the folder, reads it afresh, makes a change, writes it down, and shows it. Nothing is shown of
    /// a change that failed.
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
        // An unmounted volume looks like this; new keys in its place would be worse than the old ones.
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

    /// What an RSA key may become.
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

    fn info(&self, generation: &Generation, key: &SigningKey, now: Timestamp) -> Option<KeyInfo> {
        let (schedule, kid) = (&generation.schedule, key.kid());
        let entry = schedule.get(kid)?;
        Some(KeyInfo {
            kid: kid.clone(),
            alg: key.alg(),
            kind: key.kind(),
            state: schedule.state_at(kid, entry, now),
            created_at: entry.created_at,
            activates_at: entry.activates_at,
            retired_at: schedule.retired_since(kid, entry, now),
            published: schedule.is_published_at(kid, entry, now, &self.policy),
            published_until: schedule.published_until(kid, entry, now, &self.policy),
            revoked_at: entry.unpublished_at,
        })
    }
}

fn as_text<S: serde::Serializer>(kind: &KeyKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}

#[cfg(test)]
mod tests;
