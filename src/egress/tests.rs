//! The client, with host names that have the addresses of a test.

use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{Egress, EgressConfig, Posted};
use super::outbound::Lookup;
use super::{Policy, PolicyError, SendErrorKind};

/// A resolver that has these addresses for every name.
struct Always(Vec<IpAddr>);

#[async_trait]
impl Lookup for Always {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

async fn post(addresses: &[&str], port: u16) -> Posted {
    let addresses = addresses.iter().map(|it| it.parse().unwrap()).collect();
    let policy = Policy::new(true, vec!["127.0.0.1/32".parse().unwrap()]);
    let config = EgressConfig { policy, timeout: Duration::from_millis(500), ca_file: None, max_pooled: 1 };
    let egress = Egress::with_lookup(config, Arc::new(Always(addresses))).unwrap();
    let uri = format!("http://rp.example.com:{port}/logout").parse().unwrap();
    egress.post_logout_token(&uri, "a.b.c", "2026-01-02T03:04:05Z".parse().unwrap()).await
}

#[tokio::test]
async fn one_forbidden_address_makes_a_name_unusable_and_is_recorded() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for (addresses, forbidden) in [
        (&["127.0.0.1", "10.0.0.1"][..], "10.0.0.1"),
        (&["10.0.0.1", "127.0.0.1"], "10.0.0.1"),
        (&["127.0.0.1", "127.0.0.1", "169.254.169.254"], "169.254.169.254"),
        (&["127.0.0.1", "192.168.0.7", "1.1.1.1"], "192.168.0.7"),
        (&["127.0.0.1", "::1"], "::1"),
        (&["127.0.0.1", "::ffff:127.0.0.1"], "::ffff:127.0.0.1"),
        (&["127.0.0.1", "127.0.0.2"], "127.0.0.2"),
    ] {
        let posted = post(addresses, port).await;
        let error = posted.result.unwrap_err();
        let SendErrorKind::Policy(PolicyError::Forbidden(found)) = error.kind else {
            panic!("{addresses:?}: {error}")
        };
        let expected: IpAddr = forbidden.parse().unwrap();
        assert_eq!((found.address, posted.remote_address), (expected, Some(expected)), "{addresses:?}");
        assert!(!error.outcome_unknown);
    }
    let no_connection = listener.accept().unwrap_err();
    assert_eq!(no_connection.kind(), io::ErrorKind::WouldBlock);

    // Without one, the connection is made to the address that was checked.
    let posted = post(&["127.0.0.1"], port).await;
    let error = posted.result.unwrap_err();
    assert_eq!((error.kind, error.outcome_unknown), (SendErrorKind::Timeout, true));
    assert_eq!(posted.remote_address, Some("127.0.0.1".parse().unwrap()));
    assert!(listener.accept().is_ok());
}

#[tokio::test]
async fn a_name_without_addresses_is_not_resolved() {
    let posted = post(&[], 1).await;
    let error = posted.result.unwrap_err();
    assert_eq!((error.kind, error.outcome_unknown, posted.remote_address), (SendErrorKind::Dns, false, None));
}

/// Answers every request, and counts connections: those that were accepted, and those that are open.
async fn relying_party(open: &Arc<AtomicUsize>) -> (u16, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, accepted) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let (counting, open) = (Arc::clone(&accepted), Arc::clone(open));
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            counting.fetch_add(1, Ordering::SeqCst);
            open.fetch_add(1, Ordering::SeqCst);
            let open = Arc::clone(&open);
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                while connection.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                    connection.write_all(answer).await.unwrap();
                }
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (port, accepted)
}

#[tokio::test]
async fn no_more_idle_connections_are_pooled_than_configured() {
    let policy = Policy::new(true, vec!["127.0.0.1/32".parse().unwrap()]);
    let config = EgressConfig { policy, timeout: Duration::from_secs(10), ca_file: None, max_pooled: 2 };
    let egress = Egress::new(config).unwrap();
    let open = Arc::default();
    let (first, second, third) =
        (relying_party(&open).await, relying_party(&open).await, relying_party(&open).await);
    for (index, (port, _)) in [&first, &second, &third, &first, &third, &second].into_iter().enumerate() {
        let uri = format!("http://127.0.0.1:{port}/logout").parse().unwrap();
        let posted = egress.post_logout_token(&uri, "a.b.c", Timestamp::UNIX_EPOCH).await;
        assert_eq!(posted.result.unwrap().status, 200);
        let pooled = (index + 1).min(2);
        let closed = async {
            while open.load(Ordering::SeqCst) != pooled {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), closed).await.unwrap();
    }
    let accepted = [first, second, third].map(|(_, accepted)| accepted.load(Ordering::SeqCst));
    assert_eq!(accepted, [1, 1, 2]);
}
