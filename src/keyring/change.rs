//! A change to the folder: made under its lock, on what was just read, and written before it is published.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::KeyringError;
use super::folder::Folder;
use super::generate::{self, NoRandomness, RsaBits};
use super::generation::{self, Generation, Rules};
use super::key_file::Format;
use super::kid::Kid;
use super::manifest;
use super::material::KeyKind;
use super::schedule::{Schedule, Start};
use crate::domain::algorithm::SigningAlg;
use crate::entropy::Entropy;

/// The folder, locked, with what is in it.
pub(super) struct Change<'a> {
    folder: Folder,
    pub(super) generation: Generation,
    pub(super) rules: Rules<'a>,
    entropy: &'a dyn Entropy,
    unwritten: bool,
}

impl<'a> Change<'a> {
    pub(super) fn begin(
        folder: Folder,
        known: &Schedule,
        rules: Rules<'a>,
        entropy: &'a dyn Entropy,
    ) -> Result<Self, KeyringError> {
        let (generation, unwritten) = Generation::load(&folder, known, rules)?;
        Ok(Self { folder, generation, rules, entropy, unwritten })
    }

    /// Writes the manifest if it changed, and returns the generation to publish.
    pub(super) fn commit(mut self) -> Result<Generation, KeyringError> {
        if self.unwritten && self.folder.is_writable() {
            manifest::write(&self.folder, &self.generation.schedule)?;
            self.generation.fingerprint = self.folder.fingerprint()?;
        }
        Ok(self.generation)
    }

    /// The times, to change them.
    pub(super) fn schedule_mut(&mut self) -> &mut Schedule {
        self.unwritten = true;
        &mut self.generation.schedule
    }

    /// An error if the folder is read-only; `action` is what was to be done.
    pub(super) fn require_writable(&self, action: impl FnOnce() -> String) -> Result<(), KeyringError> {
        if self.folder.is_writable() {
            return Ok(());
        }
        Err(KeyringError::ReadOnly { action: action(), path: self.folder.path().to_owned() })
    }

    /// An error if one of these algs has no key in what was read: going on would publish that.
    pub(super) fn require_signed(&self, algs: &BTreeSet<SigningAlg>) -> Result<(), KeyringError> {
        let now = self.rules.now;
        let unsigned = algs.iter().find(|alg| self.generation.signing_key(**alg, now).is_none());
        unsigned.map_or(Ok(()), |alg| Err(KeyringError::NoActiveKey(*alg)))
    }

    /// Makes a key, in a file of its own.
    pub(super) fn generate(
        &mut self,
        alg: SigningAlg,
        kid: Option<Kid>,
        bits: RsaBits,
        start: Start,
    ) -> Result<Kid, KeyringError> {
        self.require_writable(|| format!("make a key for {alg}"))?;
        let kid = kid.unwrap_or_else(|| Kid::generated(alg, self.rules.now, self.entropy));
        self.require_free(&kid)?;
        let pem = generate::pem(alg, bits).map_err(|NoRandomness| KeyringError::Generate(alg))?;
        self.store(kid, alg, Format::Pem, pem.as_bytes(), start)
    }

    /// Writes a key's file, and reads it back like any other key file, so that ring validates it.
    pub(super) fn store(
        &mut self,
        kid: Kid,
        alg: SigningAlg,
        format: Format,
        content: &[u8],
        start: Start,
    ) -> Result<Kid, KeyringError> {
        self.require_free(&kid)?;
        let first = self.generation.keys.is_empty();
        let file = self.folder.write_key(&kid, format, content, first)?;
        let Rules { now, policy, .. } = self.rules;
        self.schedule_mut().add(&kid, alg, start, now, policy);
        let key = generation::read(&self.folder, &file, &mut self.generation.schedule, self.rules)?;
        self.generation.keys.insert(kid.clone(), Arc::new(key));
        tracing::info!(%kid, %alg, "a new key is in the keys folder");
        Ok(kid)
    }

    /// Makes sure that a key signs `alg` now: the next key, ahead of time, or a new one. `like` is the key it follows.
    pub(super) fn succeed(
        &mut self,
        alg: SigningAlg,
        like: Option<KeyKind>,
    ) -> Result<Option<Kid>, KeyringError> {
        let now = self.rules.now;
        if self.generation.schedule.current_at(alg, now).is_some() {
            return Ok(None);
        }
        if let Some(next) = self.generation.schedule.next_at(alg, now).cloned() {
            self.schedule_mut().activate(&next, now);
            return Ok(Some(next));
        }
        self.generate(alg, None, same_size(like), Start::Now).map(Some)
    }

    /// Makes a key for an alg whose current one is about to be rotated.
    pub(super) fn rotate_if_due(&mut self, alg: SigningAlg) -> Result<Option<Kid>, KeyringError> {
        let Rules { now, policy, .. } = self.rules;
        let Some(activates_at) = self.generation.schedule.rotation_at(alg, now, policy) else {
            return Ok(None);
        };
        let like = self.current_kind(alg);
        self.generate(alg, None, same_size(like), Start::At(activates_at)).map(Some)
    }

    /// The kind of key that signs `alg` now.
    pub(super) fn current_kind(&self, alg: SigningAlg) -> Option<KeyKind> {
        let current = self.generation.schedule.current_at(alg, self.rules.now)?;
        self.generation.kind(current)
    }

    fn require_free(&self, kid: &Kid) -> Result<(), KeyringError> {
        if self.generation.keys.contains_key(kid) {
            return Err(KeyringError::KidTaken(kid.clone()));
        }
        Ok(())
    }
}

/// A successor is as large as the key it follows: receivers may have been chosen, or limited, by that.
pub(super) fn same_size(like: Option<KeyKind>) -> RsaBits {
    match like {
        Some(KeyKind::Rsa { bits }) => RsaBits::from_bits(bits).unwrap_or_default(),
        _ => RsaBits::default(),
    }
}
