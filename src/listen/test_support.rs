//! An authority and the files of a listener, for the tests of this module.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls::Tls;
use crate::ambient::Ambient;
use crate::config;
use crate::telemetry::Metrics;

/// A certificate authority. Clones are the same one.
#[derive(Clone)]
pub(super) struct Authority(Arc<CertifiedIssuer<'static, KeyPair>>);

/// A certificate and its key.
pub(super) struct Issued {
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
    der: CertificateDer<'static>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(Arc::new(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()))
    }

    pub(super) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(super) fn issue(&self, names: &[&str]) -> Issued {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        self.sign(&CertificateParams::new(names).unwrap())
    }

    pub(super) fn issue_until(&self, year: i32, month: u8, day: u8) -> Issued {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, month, day);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            der: certificate.der().clone(),
        }
    }

    /// Connects as a client that trusts this authority.
    pub(super) async fn connect(self, address: SocketAddr) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }
}

impl Issued {
    pub(super) fn der(&self) -> CertificateDer<'static> {
        self.der.clone()
    }
}

/// A folder with `server.pem` and `server.key`, and the metrics of the listener that is opened with it.
pub(super) struct Fixture {
    folder: TempDir,
    metrics: Arc<Metrics>,
}

impl Fixture {
    pub(super) fn new(authority: &Authority) -> Self {
        let fixture = Self { folder: tempfile::tempdir().unwrap(), metrics: Arc::new(Metrics::new()) };
        let issued = authority.issue(&["localhost"]);
        fixture.put("server.pem", &issued.certificate_pem);
        fixture.put("server.key", &issued.key_pem);
        fixture
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, 0600, in place.
    pub(super) fn put(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(super) fn files(&self) -> config::Tls {
        config::Tls { certificate: self.path("server.pem"), key: self.path("server.key"), client_auth: None }
    }

    pub(super) fn open(&self) -> Tls {
        let ambient = Ambient { metrics: Arc::clone(&self.metrics), ..Ambient::system() };
        Tls::open("server", self.files(), ambient).unwrap()
    }

    /// How many reloads succeeded, and how many failed.
    pub(super) fn reloads(&self) -> (u64, u64) {
        let count = |outcome| self.counter("logoutd_tls_reloads_total", outcome);
        (count("loaded"), count("failed"))
    }

    pub(super) fn handshakes(&self, outcome: &str) -> u64 {
        self.counter("logoutd_tls_handshakes_total", outcome)
    }

    fn counter(&self, name: &str, outcome: &str) -> u64 {
        let series = format!("{name}{{listener=\"server\",outcome=\"{outcome}\"}} ");
        let text = self.metrics.encode();
        text.lines().find_map(|line| line.strip_prefix(&series)).map_or(0, |count| count.parse().unwrap())
    }
}
