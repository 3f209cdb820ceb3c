//! `[issuer.pairwise]`: how the OP computes pairwise subjects. Whether any client needs them is not known
//! here.

use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::pairwise::PairwiseFormat;

use super::keys::path;
use super::reader::Section;
use super::secret::{SecretError, resolve};
use super::source::{Parsed, Value};

/// `[issuer.pairwise]`. The salt is beside it, see [`super::Loaded`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pairwise {
    /// The form that the OP gives them; "hex" by default.
    pub format: PairwiseFormat,
}

/// The OP's salt.
#[derive(Clone, Debug)]
pub(super) enum Salt {
    /// None is configured.
    Missing,
    /// One is, and it cannot be used; that is reported already.
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
