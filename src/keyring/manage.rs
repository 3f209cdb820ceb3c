//! Managing keys: generating, importing, rotating and retiring them. For the commands, and for the management API.

use std::collections::BTreeSet;
use std::path::Path;

use super::change::same_size;
use super::error::{KeyError, KeyringError};
use super::folder::MAX_FILE_BYTES;
use super::generate::RsaBits;
use super::generation;
use super::key_file::Format;
use super::kid::Kid;
use super::schedule::{KeyState, Start};
use super::{KeyInfo, Keyring};
use crate::domain::algorithm::SigningAlg;
use crate::files::{self, FileError};

/// How to make a key.
#[derive(Clone, Debug)]
pub struct GenerateKey {
    /// What it will sign.
    pub alg: SigningAlg,
    /// Its id; one is made up if this is `None`.
    pub kid: Option<Kid>,
    /// The size, for RSA algs only; 2048 if this is `None`.
    pub bits: Option<RsaBits>,
    /// Whether it signs at once, rather than after `publish_before`.
    pub activate_now: bool,
}

/// How to import a key.
#[derive(Clone, Debug, Default)]
pub struct ImportKey {
    /// Its id. The JWK's own, or the file's stem, if this is `None`.
    pub kid: Option<Kid>,
    /// What it will sign. Only an RSA key leaves a choice.
    pub alg: Option<SigningAlg>,
    /// Whether it signs at once, rather than after `publish_before`.
    pub activate_now: bool,
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotatedKey {
    /// The key that signs, or will.
    pub key: KeyInfo,
    /// Whether it was made for this, rather than waiting already.
    pub made: bool,
}

/// What retiring a key did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredKey {
    /// The key, now retired.
    pub key: KeyInfo,
    /// What signs in its place from now on, if it was the current key.
    pub successor: Option<KeyInfo>,
}

impl Keyring {
    /// Makes a key.
    pub fn generate(&self, wanted: GenerateKey) -> Result<KeyInfo, KeyringError> {
        let GenerateKey { alg, kid, bits, activate_now } = wanted;
        if bits.is_some() && !alg.is_rsa() {
            return Err(KeyringError::Bits(alg));
        }
        let start = start(activate_now);
        let kid = self.change(|change| change.generate(alg, kid, bits.unwrap_or_default(), start))?;
        self.key(&kid)
    }

    /// Imports a private key from a PKCS#8 PEM or JWK file. The file itself is left alone.
    pub fn import_file(&self, path: &Path, mut wanted: ImportKey) -> Result<KeyInfo, KeyringError> {
        let content = files::read(path, MAX_FILE_BYTES).map_err(|error| match error {
            FileError::TooLarge(_) => KeyringError::Import(KeyError::TooLarge),
            error => KeyringError::Io { action: "read", path: path.to_owned(), error: error.into() },
        })?;
        let own_kid = is_jwk(&content)
            && generation::parse(Some(&content), Format::Jwk).is_ok_and(|key| key.kid.is_some());
        if wanted.kid.is_none() && !own_kid {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let kid =
                stem.parse().map_err(|reason| KeyringError::FileName { path: path.to_owned(), reason })?;
            wanted.kid = Some(kid);
        }
        self.import(&content, wanted)
    }

    /// Imports a private key from the content of a PKCS#8 PEM or JWK file.
    pub fn import(&self, content: &[u8], wanted: ImportKey) -> Result<KeyInfo, KeyringError> {
        let format = if is_jwk(content) { Format::Jwk } else { Format::Pem };
        let parsed = generation::parse(Some(content), format).map_err(KeyringError::Import)?;
        let kid = match (wanted.kid, &parsed.kid) {
            (Some(kid), _) => kid,
            (None, Some(own)) => own.parse().map_err(KeyringError::ImportKidText)?,
            (None, None) => return Err(KeyringError::ImportKid),
        };
        parsed.check_kid(&kid).map_err(KeyringError::Import)?;
        let start = start(wanted.activate_now);
        let kid = self.change(|change| {
            change.require_writable(|| format!("import the key {kid}"))?;
            let alg = parsed.alg(wanted.alg, &change.generation.schedule, change.rules);
            change.store(kid, alg.map_err(KeyringError::Import)?, format, content, start)
        })?;
        self.key(&kid)
    }

    /// Makes sure that another key will sign `alg`: the next one, or a new one as large as the current one. With `at_once` it signs from now on, and receivers that cached the JWKS may refuse
    /// its tokens until they fetch it again.
    pub fn rotate(&self, alg: SigningAlg, at_once: bool) -> Result<RotatedKey, KeyringError> {
        let (kid, made) = self.change(|change| {
            change.require_signed(&self.kept())?;
            let now = change.rules.now;
            let Some(next) = change.generation.schedule.next_at(alg, now).cloned() else {
                let bits = same_size(change.current_kind(alg));
                return Ok((change.generate(alg, None, bits, start(at_once))?, true));
            };
            if at_once {
                change.require_writable(|| format!("rotate {alg}"))?;
                change.schedule_mut().activate(&next, now);
            }
            Ok((next, false))
        })?;
        Ok(RotatedKey { key: self.key(&kid)?, made })
    }

    /// [`rotate`](Self::rotate) for each of `keys.algorithms`. Those that come before one that fails are
    /// rotated; asking again makes no second key for them.
    pub fn rotate_all(&self, at_once: bool) -> Result<Vec<RotatedKey>, KeyringError> {
        let algs: BTreeSet<SigningAlg> = self.inner.config.algorithms.iter().copied().collect();
        algs.into_iter().map(|alg| self.rotate(alg, at_once)).collect()
    }

    /// Makes the new keys that rotation by time asks for. Does nothing in a read-only folder.
    pub(super) fn rotate_due(&self) -> Result<Vec<Kid>, KeyringError> {
        let (generation, now) = (self.current(), self.inner.ambient.now());
        let due =
            |alg: &&SigningAlg| generation.schedule.rotation_at(**alg, now, &self.inner.policy).is_some();
        let algs: Vec<SigningAlg> = self.inner.config.algorithms.iter().filter(due).copied().collect();
        if algs.is_empty() || generation.read_only {
            return Ok(Vec::new());
        }
        self.change(|change| {
            change.require_signed(&self.kept())?;
            let mut made = Vec::new();
            for alg in algs {
                made.extend(change.rotate_if_due(alg)?);
            }
            Ok(made)
        })
    }

    /// Retires a key. If it was the current one, another takes its place at once: the next key, or a new one.
    ///
    /// A compromised key leaves the JWKS at once, so that receivers refuse what it signs as soon as they
    /// fetch the JWKS again; tokens under way that it has signed are refused too. Otherwise it stays there
    /// for `publish_after`. Its file is kept.
    pub fn retire(&self, kid: &Kid, compromised: bool) -> Result<RetiredKey, KeyringError> {
        let successor = self.change(|change| {
            change.require_writable(|| format!("retire the key {kid}"))?;
            let now = change.rules.now;
            let schedule = &change.generation.schedule;
            let entry = *schedule.get(kid).ok_or_else(|| KeyringError::UnknownKid(kid.clone()))?;
            let was_current = schedule.state_at(kid, &entry, now) == KeyState::Current;
            let like = change.generation.kind(kid);
            if compromised {
                change.schedule_mut().unpublish(kid, now);
            } else {
                change.schedule_mut().retire(kid, now);
            }
            if was_current { change.succeed(entry.alg, like) } else { Ok(None) }
        })?;
        let successor = successor.map(|kid| self.key(&kid)).transpose()?;
        Ok(RetiredKey { key: self.key(kid)?, successor })
    }
}

fn start(at_once: bool) -> Start {
    if at_once { Start::Now } else { Start::Announced }
}

/// A JWK begins with a brace, and PEM text never does.
fn is_jwk(content: &[u8]) -> bool {
    content.trim_ascii_start().starts_with(b"{")
}
