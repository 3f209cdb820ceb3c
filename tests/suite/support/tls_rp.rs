//! A relying party with TLS, and a certificate nobody vouches for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What serves TLS with a certificate for `localhost` that is signed by itself, and that certificate as PEM.
pub fn self_signed(protocols: &[&str]) -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

/// It answers 200 to everything.
pub struct TlsRp {
    pub address: SocketAddr,
    certificate: String,
    requests: Arc<AtomicUsize>,
}

impl TlsRp {
    /// Its certificate is for `localhost`, and signed by itself.
    pub async fn start() -> Self {
        let (acceptor, certificate) = self_signed(&[]);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, counter) = (acceptor.clone(), Arc::clone(&counter));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut request = [0; 8192];
                    if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                        counter.fetch_add(1, Ordering::SeqCst);
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                    }
                });
            }
        });
        Self { address, certificate, requests }
    }

    /// By name, as its certificate has it.
    pub fn uri(&self) -> String {
        format!("https://localhost:{}/logout", self.address.port())
    }

    /// Writes its certificate into a folder, for those who want to trust it.
    pub fn certificate_in(&self, folder: &Path) -> PathBuf {
        let path = folder.join("rp.pem");
        std::fs::write(&path, &self.certificate).unwrap();
        path
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}
