//! What was read from the folder at one time: every key, parsed, with its times. Replaced as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::error::{KeyError, KeyringError};
use super::folder::Folder;
use super::jwk;
use super::key_file::{Format, KeyFile};
use super::kid::Kid;
use super::manifest;
use super::material::{KeyKind, KeyMaterial};
use super::pkcs8_pem;
use super::schedule::{Policy, Schedule, Start};
use super::signing_key::SigningKey;
use crate::domain::algorithm::SigningAlg;
use crate::watched_files::Fingerprint;

/// The keys as last loaded.
#[derive(Debug, Default)]
pub(super) struct Generation {
    pub(super) schedule: Schedule,
    pub(super) keys: BTreeMap<Kid, Arc<SigningKey>>,
    pub(super) fingerprint: Fingerprint,
    pub(super) read_only: bool,
}

/// What reading the folder depends on.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    /// The algs that an RSA key without one may be assigned, in this order.
    pub(super) wanted: &'a BTreeSet<SigningAlg>,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
}

/// A parsed private key, not yet in the keyring.
pub(super) struct ParsedKey {
    pub(super) material: KeyMaterial,
    /// The alg in its file. PEM has none.
    pub(super) alg: Option<SigningAlg>,
    /// The kid in its file. PEM has none.
    pub(super) kid: Option<String>,
}

/// Parses what a key file holds.
pub(super) fn parse(content: Option<&[u8]>, format: Format) -> Result<ParsedKey, KeyError> {
    let content = content.ok_or(KeyError::TooLarge)?;
    if content.trim_ascii().is_empty() {
        return Err(KeyError::Empty);
    }
    match format {
        Format::Pem => Ok(ParsedKey { material: pkcs8_pem::parse(content)?, alg: None, kid: None }),
        Format::Jwk => {
            let jwk = jwk::parse(content)?;
            Ok(ParsedKey { material: jwk.material, alg: jwk.alg, kid: jwk.kid })
        }
    }
}

impl ParsedKey {
    /// Settles its alg: the key's own, else `asked`, else by [`rsa_alg`].
    pub(super) fn alg(
        &self,
        asked: Option<SigningAlg>,
        schedule: &Schedule,
        rules: Rules<'_>,
    ) -> Result<SigningAlg, KeyError> {
        let kind = self.material.kind();
        if let Some(alg) = asked.filter(|alg| !kind.signs(*alg)) {
            return Err(KeyError::AlgMismatch { alg, kind });
        }
        if let (Some(jwk), Some(wanted)) = (self.alg, asked)
            && jwk != wanted
        {
            return Err(KeyError::AlgConflict { jwk, wanted });
        }
        let settled = self.alg.or(asked).or_else(|| kind.only_alg());
        Ok(settled.unwrap_or_else(|| rsa_alg(schedule, rules)))
    }

    /// An error if the key's own kid, if it has one, is not this one.
    pub(super) fn check_kid(&self, kid: &Kid) -> Result<(), KeyError> {
        match &self.kid {
            Some(own) if own != kid.as_str() => {
                Err(KeyError::KidMismatch { jwk: own.clone(), kid: kid.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The alg of an RSA key without one: the first wanted one that no key signs yet, else RS256.
fn rsa_alg(schedule: &Schedule, rules: Rules<'_>) -> SigningAlg {
    let missing = |alg: &SigningAlg| alg.is_rsa() && schedule.current_at(*alg, rules.now).is_none();
    rules.wanted.iter().copied().find(missing).unwrap_or(SigningAlg::Rs256)
}

impl Generation {
    /// Reads the folder. `known` are the times known from before; the folder's manifest overrides them.
    /// Returns too whether the manifest needs to be written.
    pub(super) fn load(
        folder: &Folder,
        known: &Schedule,
        rules: Rules<'_>,
    ) -> Result<(Self, bool), KeyringError> {
        // Taken first, so that a change while the files are read is noticed at the next look.
        let fingerprint = folder.fingerprint()?;
        let files = folder.key_files()?;
        folder.check(!files.is_empty())?;
        let written = manifest::read(folder)?;
        let mut schedule = written.clone().unwrap_or_default();
        for (kid, entry) in known.iter().filter(|(kid, _)| schedule.get(kid).is_none()).collect::<Vec<_>>() {
            schedule.insert(kid.clone(), *entry);
        }
        // Before entries are dropped: a key stays superseded when its successor's file is removed.
        schedule.settle(rules.now);

        forget_missing(&mut schedule, &files);
        let mut keys = BTreeMap::new();
        for file in &files {
            let key = read(folder, file, &mut schedule, rules)?;
            keys.insert(file.kid.clone(), Arc::new(key));
        }
        let changed = written.unwrap_or_default() != schedule;
        Ok((Self { schedule, keys, fingerprint, read_only: !folder.is_writable() }, changed))
    }

    /// The current key of an alg.
    pub(super) fn signing_key(&self, alg: SigningAlg, now: Timestamp) -> Option<&Arc<SigningKey>> {
        self.keys.get(self.schedule.current_at(alg, now)?)
    }

    /// The kind of a key.
    pub(super) fn kind(&self, kid: &Kid) -> Option<KeyKind> {
        self.keys.get(kid).map(|key| key.kind())
    }
}

/// Reads one key file, and adopts the key if it is new: the first of its alg signs at once, others later.
pub(super) fn read(
    folder: &Folder,
    file: &KeyFile,
    schedule: &mut Schedule,
    rules: Rules<'_>,
) -> Result<SigningKey, KeyringError> {
    let content = folder.read_key(&file.path)?;
    let wrong = |reason| KeyringError::KeyFile { path: file.path.clone(), reason };
    let parsed = parse(content.as_deref().map(Vec::as_slice), file.format).map_err(wrong)?;
    parsed.check_kid(&file.kid).map_err(wrong)?;
    let known = schedule.get(&file.kid).map(|entry| entry.alg);
    let alg = parsed.alg(known, schedule, rules).map_err(wrong)?;
    if known.is_none() {
        schedule.add(&file.kid, alg, Start::Announced, rules.now, rules.policy);
        tracing::info!(kid = %file.kid, %alg, "a new key was found in the keys folder");
    }
    Ok(SigningKey::new(file.kid.clone(), alg, parsed.material))
}

fn forget_missing(schedule: &mut Schedule, files: &[KeyFile]) {
    let missing: Vec<Kid> = schedule
        .iter()
        .map(|(kid, _)| kid)
        .filter(|kid| files.binary_search_by(|file| file.kid.cmp(kid)).is_err())
        .cloned()
        .collect();
    for kid in missing {
        tracing::warn!(%kid, "the key's file is gone; it is forgotten, and no longer in the JWKS");
        schedule.remove(&kid);
    }
}
