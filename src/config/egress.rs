//! `[egress]`: where logout tokens may be sent. The policy itself is in the module `egress`.

use std::path::PathBuf;

use ipnet::IpNet;

use super::keys::path;
use super::reader::Section;
use super::source::{Parsed, Value};

/// `[egress]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    /// Whether `http://` logout URIs are allowed; false by default.
    pub allow_http: bool,
    /// Networks exempt from the ban on private and special-use addresses; none by default.
    pub allow_networks: Vec<IpNet>,
    /// A PEM file of certificate authorities trusted besides the platform's, relative to the working
    /// directory.
    pub ca_file: Option<PathBuf>,
}

impl Egress {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            allow_http: section.optional("allow_http", Value::boolean).unwrap_or(false),
            allow_networks: section.distinct("allow_networks", network).unwrap_or_default(),
            ca_file: section.optional("ca_file", path),
        }
    }
}

/// A network, without host bits.
pub(super) fn network(value: &Value) -> Parsed<IpNet> {
    let text = value.text()?;
    let refused = "must be a network in CIDR notation, such as \"10.0.0.0/8\" or \"fd00::/8\"";
    let network: IpNet = text.parse().map_err(|_| refused.to_owned())?;
    if network.trunc() == network {
        return Ok(network);
    }
    // Host bits are ambiguous: either one address is meant, or the network around it.
    let (address, whole) = (IpNet::from(network.addr()), network.trunc());
    Err(format!("must be \"{whole}\" if the network is meant, or \"{address}\" if the address is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_no_host_bits() {
        let parse = |text: &str| network(&Value::String(text.to_owned()));
        assert_eq!(parse("10.0.0.0/8"), Ok("10.0.0.0/8".parse().unwrap()));
        assert_eq!(parse("::1/128"), Ok("::1/128".parse().unwrap()));
        assert_eq!(
            parse("10.1.2.3/8").unwrap_err(),
            "must be \"10.0.0.0/8\" if the network is meant, or \"10.1.2.3/32\" if the address is"
        );
        for text in ["10.0.0.1", "10.0.0.0/33", "internal", ""] {
            assert!(parse(text).unwrap_err().starts_with("must be a network in CIDR notation"), "{text}");
        }
    }
}
