//! The HTTP client of the commands.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use reqwest::{Certificate, Identity};
use zeroize::Zeroizing;

use crate::authorities;

/// How the other side of TLS is known, and how this side shows who it is.
#[derive(Debug, Default, Args)]
pub(super) struct TlsArgs {
    /// A PEM file of certificate authorities to trust besides the platform's.
    #[arg(long, env = "LOGOUTD_CA_FILE", value_name = "PATH")]
    ca_file: Option<PathBuf>,
    /// A PEM file of the certificate to show when one is asked for.
    #[arg(long, env = "LOGOUTD_CLIENT_CERTIFICATE", value_name = "PATH", requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// The PEM file of its private key.
    #[arg(long, env = "LOGOUTD_CLIENT_KEY", value_name = "PATH", requires = "client_certificate")]
    client_key: Option<PathBuf>,
}

/// A client that does what the person at the shell may: any address, proxies of the environment.
pub(super) fn client(timeout: Duration) -> anyhow::Result<reqwest::Client> {
    TlsArgs::default().client(timeout)
}

impl TlsArgs {
    /// [`client`], with these certificates.
    pub(super) fn client(&self, timeout: Duration) -> anyhow::Result<reqwest::Client> {
        // reqwest takes the process's provider; whoever set one before has set ring's too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("logoutd/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout);
        if let Some(path) = &self.ca_file {
            let trusted = authorities::read(path).map_err(|error| {
                let said = format!("--ca-file {error}");
                anyhow::Error::new(error).context(said)
            })?;
            let trusted = trusted.iter().map(|certificate| Certificate::from_der(certificate));
            let trusted = trusted.collect::<Result<Vec<_>, _>>().context("--ca-file")?;
            builder = builder.tls_certs_merge(trusted);
        }
        if let (Some(certificate), Some(key)) = (&self.client_certificate, &self.client_key) {
            builder = builder.identity(identity(certificate, key)?);
        }
        builder.build().context("cannot set up TLS")
    }
}

fn identity(certificate: &Path, key: &Path) -> anyhow::Result<Identity> {
    let read = |flag: &str, path: &Path| {
        std::fs::read(path)
            .map(Zeroizing::new)
            .with_context(|| format!("{flag} {} cannot be read", path.display()))
    };
    let certificate_pem = read("--client-certificate", certificate)?;
    let key_pem = read("--client-key", key)?;
    // What the parser says of it is left out: it may quote the key.
    Identity::from_pem(&Zeroizing::new([&certificate_pem[..], b"\n", &key_pem[..]].concat())).map_err(|_| {
        let (certificate, key) = (certificate.display(), key.display());
        anyhow::anyhow!(
            "--client-certificate {certificate} and --client-key {key} are no PEM certificate and its unencrypted private key"
        )
    })
}
