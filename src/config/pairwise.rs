//! `[issuer.pairwise]`: how the OP computes pairwise subjects.

use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::pairwise::PairwiseFormat;

use super::keys::path;
use super::reader::Section;
use super::secret::{SecretError, resolve};
use super::source::{Parsed, Value};

/// `[issuer.pairwise]` without the salt, which is in [`super::Loaded`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pairwise {
    /// The OP's format of them; "hex" by default.
    pub format: PairwiseFormat,
}

/// The OP's salt.
#[derive(Clone, Debug)]
pub(super) enum Salt {
    /// No salt is configured.
    Missing,
    /// The configured salt cannot be used, which was reported.
    Unusable,
    Given(SecretString),
}

impl Pairwise {
    pub(super) fn read(section: &mut Section<'_>) -> (Self, Salt) {
        let format = section.optional("format", format).unwrap_or_default();
        let wanted = section.has("salt") || section.has("salt_file");
        let salt = section.optional("salt", |value| Ok(SecretString::from(value.text()?.into_owned())));
        let file = section.optional("salt_file", path);
        let key = if salt.is_some() { "salt" } else { "salt_file" };
        let salt = match resolve(salt, file).and_then(|salt| salt.map(not_empty).transpose()) {
            Ok(Some(salt)) => Salt::Given(salt),
            Ok(None) if wanted => Salt::Unusable,
            Ok(None) => Salt::Missing,
            Err(error) => {
                section.problem(key, error.to_string());
                Salt::Unusable
            }
        };
        (Self { format }, salt)
    }
}

fn not_empty(salt: SecretString) -> Result<SecretString, SecretError> {
    if salt.expose_secret().is_empty() { Err(SecretError::Empty) } else { Ok(salt) }
}

fn format(value: &Value) -> Parsed<PairwiseFormat> {
    let text = value.text()?;
    PairwiseFormat::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(|| {
        "must be \"hex\", \"base64url\", \"keycloak\", \"hydra\" or \"oidc-provider\"".to_owned()
    })
}
