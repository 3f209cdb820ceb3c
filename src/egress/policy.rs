//! The operator's rules for where logout tokens may be sent. Pure.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Host;

use super::address::{AddressClass, special_class};
use crate::config;
use crate::domain::client::LogoutUri;

/// The operator's rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    allow_http: bool,
    allow_networks: Vec<IpNet>,
}

/// An address that is not public, and not exempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} is {class}; a relying party must have a public address, or its network be in egress.allow_networks"
)]
pub struct ForbiddenAddress {
    /// The address.
    pub address: IpAddr,
    /// Its class.
    pub class: AddressClass,
}

/// Why nothing is sent to a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// `http:` without `egress.allow_http`.
    #[error("must be an https URI; http is only taken with egress.allow_http = true")]
    HttpNotAllowed,
    /// Its host is, or resolves to, an address that is not allowed.
    #[error(transparent)]
    Forbidden(#[from] ForbiddenAddress),
}

impl From<&config::Egress> for Policy {
    fn from(egress: &config::Egress) -> Self {
        Self::new(egress.allow_http, egress.allow_networks.clone())
    }
}

impl Policy {
    /// `allow_http`: whether `http:` URIs are allowed. `allow_networks` are exempt from the ban on addresses that are
    /// not public; an IPv4 network does not exempt IPv6 addresses in which its addresses are embedded.
    pub fn new(allow_http: bool, allow_networks: Vec<IpNet>) -> Self {
        Self { allow_http, allow_networks }
    }

    /// Checks a URI without resolving its host: the scheme, and the address if the host is one.
    ///
    /// # Errors
    /// If the URI is not allowed.
    pub fn check_uri(&self, uri: &LogoutUri) -> Result<(), PolicyError> {
        if uri.url().scheme() != "https" && !self.allow_http {
            return Err(PolicyError::HttpNotAllowed);
        }
        match uri.url().host() {
            Some(Host::Ipv4(address)) => self.check_address(address.into())?,
            Some(Host::Ipv6(address)) => self.check_address(address.into())?,
            Some(Host::Domain(_)) | None => {}
        }
        Ok(())
    }

    /// Checks an address before a connection is made to it.
    ///
    /// # Errors
    /// If it is neither public nor exempt.
    pub fn check_address(&self, address: IpAddr) -> Result<(), ForbiddenAddress> {
        let Some(class) = special_class(address) else { return Ok(()) };
        if self.allow_networks.iter().any(|network| network.contains(&address)) {
            return Ok(());
        }
        Err(ForbiddenAddress { address, class })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A URI as it may be stored by an earlier version, whose host need not be in canonical form.
    fn stored(uri: &str) -> LogoutUri {
        LogoutUri::from_stored(uri.to_owned()).unwrap()
    }

    fn check(policy: &Policy, uri: &str) -> Result<(), String> {
        policy.check_uri(&stored(uri)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_literal_address_is_checked_however_it_is_written() {
        let strict = Policy::default();
        for uri in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://%31%32%37.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]:8443/x",
            "https://169.254.169.254/latest",
        ] {
            let error = check(&strict, uri).unwrap_err();
            assert!(error.contains("egress.allow_networks"), "{uri}: {error}");
        }
        for uri in [
            "https://rp.example.com/",
            "https://localhost/",
            "https://1.1.1.1/",
            "https://127.0.0.1.example/",
        ] {
            assert_eq!(check(&strict, uri), Ok(()), "{uri}");
        }
        assert_eq!(
            check(&strict, "https://127.0.0.1/").unwrap_err(),
            "127.0.0.1 is a loopback address; a relying party must have a public address, or its network be in \
             egress.allow_networks"
        );
    }

    #[test]
    fn http_is_taken_only_where_it_is_allowed() {
        let uri = "http://rp.example.com/";
        assert!(check(&Policy::default(), uri).unwrap_err().contains("egress.allow_http"));
        assert_eq!(check(&Policy::new(true, Vec::new()), uri), Ok(()));
    }

    proptest! {
        #[test]
        fn an_exemption_holds_inside_its_network_only(address: u32, network: u32, prefix in 0_u8..=32) {
            let network = IpNet::new(std::net::Ipv4Addr::from(network).into(), prefix).unwrap();
            let address = IpAddr::V4(address.into());
            let allowed = Policy::new(false, vec![network]).check_address(address).is_ok();
            let public = Policy::default().check_address(address).is_ok();
            prop_assert_eq!(allowed, public || network.contains(&address));
        }
    }
}
