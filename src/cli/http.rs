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

/// Trusted authorities and the client certificate.
#[derive(Debug, Default, Args)]
pub(super) struct TlsArgs {
    /// A PEM file of certificate authorities to trust in addition to the platform's.
    #[arg(long, env = "LOGOUTD_CA_FILE", value_name = "PATH")]
    ca_file: Option<PathBuf>,
    /// A PEM file of the client certificate.
    #[arg(long, env = "LOGOUTD_CLIENT_CERTIFICATE", value_name = "PATH", requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// The PEM file of the private key of the client certificate.
    #[arg(long, env = "LOGOUTD_CLIENT_KEY", value_name = "PATH", requires = "client_certificate")]
    client_key: Option<PathBuf>,
}

/// Hosts that are never reached through a proxy: this machine, as in Go's `net/http` (`kubectl`). `NO_PROXY` adds to
/// them.
const NEVER_PROXIED: &str = "localhost,localhost.,127.0.0.0/8,::1,::ffff:127.0.0.0/104";

/// The largest number of redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// An HTTP client without address restrictions, which uses the proxy of the environment for `https`.
///
/// `http` requests never go through a proxy. A proxy cannot read `https`, but it could read an API token in an `http`
/// request and replace a JWKS in its answer.
pub(super) fn client(timeout: Duration) -> anyhow::Result<reqwest::Client> {
    TlsArgs::default().client(timeout)
}

impl TlsArgs {
    /// [`client`], with these certificates.
    pub(super) fn client(&self, timeout: Duration) -> anyhow::Result<reqwest::Client> {
        // reqwest uses the process-wide provider. If one is installed already, it is ring's too.
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
                let context = format!("--ca-file {error}");
                anyhow::Error::new(error).context(context)
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

/// The proxy for `https` in the environment.
fn proxy() -> anyhow::Result<Option<Proxy>> {
    let first = |names: &[&str]| {
        names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    let Some(url) = first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) else { return Ok(None) };
    // The cause is left out, because the URL can contain a password.
    let proxy = Proxy::https(url).map_err(|_| {
        WrongUsage::error("HTTPS_PROXY or ALL_PROXY in the environment is not the URL of a proxy")
    })?;
    let exempt = first(&["NO_PROXY", "no_proxy"]).unwrap_or_default();
    Ok(Some(proxy.no_proxy(NoProxy::from_string(&format!("{NEVER_PROXIED},{exempt}")))))
}

/// Refuses redirects from `https` to `http`: reqwest would send the token along if host and port are the same.
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
    // The parser's error is left out, because it can quote the key.
    Identity::from_pem(&Zeroizing::new([&certificate_pem[..], b"\n", &key_pem[..]].concat())).map_err(|_| {
        let (certificate, key) = (certificate.display(), key.display());
        anyhow::anyhow!(
            "--client-certificate {certificate} and --client-key {key} are not a PEM certificate and its unencrypted private key"
        )
    })
}
