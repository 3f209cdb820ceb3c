//! The HTTP client of the commands.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use reqwest::{Certificate, Identity, NoProxy, Proxy, redirect};
use zeroize::Zeroizing;

use super::WrongUsage;
use crate::authorities;
use crate::files;

/// The largest file of `--client-certificate` or `--client-key`, in bytes.
const MAX_PEM_BYTES: u64 = 1024 * 1024;

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

/// Hosts that no proxy of the environment is asked for: this machine, as Go's `net/http` and what is built on it
/// (`kubectl`) have it. `NO_PROXY` adds to them.
const NEVER_PROXIED: &str = "localhost,localhost.,127.0.0.0/8,::1,::ffff:127.0.0.0/104";

/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// A client that does what the person at the shell may: any address, and for `https` the proxy of the environment.
///
/// What is asked for over `http` never goes through a proxy. A proxy passes `https` on unread, but would see all of
/// an `http` request: the API token in it, and a JWKS on its way back, which it could replace.
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
            .redirect(redirects())
            .no_proxy()
            .timeout(timeout);
        if let Some(proxy) = proxy()? {
            builder = builder.proxy(proxy);
        }
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

/// The proxy for `https` that the environment names.
fn proxy() -> anyhow::Result<Option<Proxy>> {
    let first = |names: &[&str]| {
        names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    let Some(url) = first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) else { return Ok(None) };
    // What is wrong with it is left out: it may have a password in it.
    let proxy = Proxy::https(url)
        .map_err(|_| WrongUsage::error("HTTPS_PROXY or ALL_PROXY in the environment is no URL of a proxy"))?;
    let exempt = first(&["NO_PROXY", "no_proxy"]).unwrap_or_default();
    Ok(Some(proxy.no_proxy(NoProxy::from_string(&format!("{NEVER_PROXIED},{exempt}")))))
}

/// Never from `https` to `http`: reqwest would take the token along to the same host and port.
fn redirects() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let secure = attempt.previous().last().is_some_and(|from| from.scheme() == "https");
        if secure && attempt.url().scheme() != "https" {
            return attempt.error("it redirects from https to http");
        }
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error("it redirects too often");
        }
        attempt.follow()
    })
}

fn identity(certificate: &Path, key: &Path) -> anyhow::Result<Identity> {
    let read = |flag: &str, path: &Path| {
        files::read_once(path, MAX_PEM_BYTES)
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
