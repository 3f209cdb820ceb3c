//! `[server.tls]` and `[management.tls]`: the files of a listener's TLS. They are not read here.

use std::path::PathBuf;

use super::keys::path;
use super::reader::Section;
use super::source::{Parsed, Value};

/// `[server.tls]` or `[management.tls]`. Relative paths are relative to the working directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The PEM file of the certificate chain, the listener's own certificate first.
    pub certificate: PathBuf,
    /// The PEM file of its private key: PKCS#8, PKCS#1 or SEC 1, unencrypted.
    pub key: PathBuf,
    /// Client certificates; `None`, the default: they are not requested.
    pub client_auth: Option<ClientAuth>,
}

/// Authentication by client certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// The PEM file of the authorities that sign client certificates.
    pub ca: PathBuf,
    /// Whether a certificate is required.
    pub certificate: ClientCertificate,
}

/// Whether callers must have a client certificate. An invalid one is rejected either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    /// Connections without a certificate are rejected.
    #[default]
    Required,
    /// Connections without a certificate are accepted.
    Optional,
}

impl ClientCertificate {
    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
        }
    }
}

impl Tls {
    /// `None` if a required key is missing, which was reported.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let certificate = section.required("certificate", path);
        let key = section.required("key", path);
        let ca = section.optional("client_ca", path);
        let demand = section.optional("client_certificate", client_certificate);
        let client_auth = match (ca, demand) {
            (Some(ca), demand) => Some(ClientAuth { ca, certificate: demand.unwrap_or_default() }),
            (None, Some(_)) => {
                let fix = "goes with client_ca, the authorities that sign such certificates; add that, or leave this out";
                section.problem("client_certificate", fix);
                None
            }
            (None, None) => None,
        };
        Some(Self { certificate: certificate?, key: key?, client_auth })
    }
}

fn client_certificate(value: &Value) -> Parsed<ClientCertificate> {
    let text = value.text()?;
    [ClientCertificate::Required, ClientCertificate::Optional]
        .into_iter()
        .find(|known| known.as_str() == text)
        .ok_or_else(|| "must be \"required\" or \"optional\"".to_owned())
}
