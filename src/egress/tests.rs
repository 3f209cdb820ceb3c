//! The guard with names that a test says the addresses of.

use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::client::{Egress, EgressConfig, Posted};
use super::outbound::Lookup;
use super::{Policy, PolicyError, SendErrorKind};

/// Every name has these addresses.
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
    let config = EgressConfig { policy, timeout: Duration::from_millis(500), ca_file: None };
    let egress = Egress::with_lookup(config, Arc::new(Always(addresses))).unwrap();
    let uri = format!("http://rp.example.com:{port}/logout").parse().unwrap();
    egress.post_logout_token(&uri, "a.b.c", "2026-01-02T03:04:05Z".parse().unwrap()).await
}

#[tokio::test]
async fn one_forbidden_address_spoils_a_name_and_is_the_one_that_is_shown() {
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
    let nobody_came = listener.accept().unwrap_err();
    assert_eq!(nobody_came.kind(), io::ErrorKind::WouldBlock);

    // With none of them it is dialled, and by the addresses that were checked.
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
