//! A relying party that speaks HTTP/2 over TLS, and counts connections and requests.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{StatusCode, Version};
use axum::routing::post;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use super::tls_rp::self_signed;

/// It answers 200 to everything that comes over HTTP/2, and 505 to what does not.
pub struct H2Rp {
    address: SocketAddr,
    pub ca_file: PathBuf,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl H2Rp {
    /// Its certificate is for `localhost`, signed by itself, and written into `folder`.
    pub async fn start(folder: &Path) -> Self {
        let (acceptor, certificate) = self_signed(&["h2", "http/1.1"]);
        let ca_file = folder.join("h2-rp.pem");
        std::fs::write(&ca_file, certificate).unwrap();

        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&requests);
        let router = Router::new().route(
            "/logout",
            post(async move |version: Version| {
                counter.fetch_add(1, Ordering::SeqCst);
                if version == Version::HTTP_2 {
                    StatusCode::OK
                } else {
                    StatusCode::HTTP_VERSION_NOT_SUPPORTED
                }
            }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, ca_file, connections, requests }
    }

    pub fn uri(&self) -> String {
        format!("https://localhost:{}/logout", self.address.port())
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}
