//! A certificate authority, and the files of those it vouches for.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use reqwest::{Certificate, ClientBuilder, Identity};

use super::http_builder;

/// It signs certificates for `127.0.0.1`.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A new certificate, for a server or for a client.
    pub fn issue(&self) -> Issued {
        let key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A client that trusts nobody else.
    pub fn client(&self) -> ClientBuilder {
        http_builder().tls_certs_only([Certificate::from_pem(self.pem().as_bytes()).unwrap()]).tls_info(true)
    }
}

impl Issued {
    /// The certificate as it goes over the wire.
    pub fn der(&self) -> Vec<u8> {
        pem::parse(&self.certificate).unwrap().into_contents()
    }

    /// To show as a client.
    pub fn identity(&self) -> Identity {
        Identity::from_pem(format!("{}{}", self.certificate, self.key).as_bytes()).unwrap()
    }

    /// Writes `{name}.pem` and, only for its owner, `{name}.key`.
    pub fn write(&self, folder: &Path, name: &str) {
        fs::write(folder.join(format!("{name}.pem")), &self.certificate).unwrap();
        write_key(&folder.join(format!("{name}.key")), &self.key);
    }
}

/// Writes a file that only its owner can read.
pub fn write_key(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The address in a URL of [`super::app::TestApp`].
pub fn address(url: &str) -> SocketAddr {
    url.split("//").nth(1).unwrap().parse().unwrap()
}
