//! The client's IP address behind trusted reverse proxies.
//!
//! Any client can send `Forwarded` (RFC 7239) and `X-Forwarded-For` headers, so only addresses that a trusted proxy
//! added are used: they are read from the right, skipping trusted proxies. The first other address is the client's;
//! everything to its left is unverified.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The maximum number of addresses that are read from a header; real proxy chains are much shorter.
const MAX_HOPS: usize = 32;

/// The networks of trusted proxies; by default none.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts proxies in these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The address of the client whose request came from `peer`, by the values of its `Forwarded` and
    /// `X-Forwarded-For` headers, in order. An element that cannot be parsed or names no address (`unknown`, `_hidden`)
    /// ends the search at the trusted proxy that added it.
    ///
    /// A proxy sets one of the two headers and may forward the other unchanged from the client. If both are present and
    /// give different addresses, neither is used.
    pub fn origin(&self, peer: IpAddr, forwarded: &[&[u8]], x_forwarded_for: &[&[u8]]) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let origins = [
            (!forwarded.is_empty()).then(|| self.walk(peer, forwarded_nodes(forwarded))),
            (!x_forwarded_for.is_empty()).then(|| self.walk(peer, listed_nodes(x_forwarded_for))),
        ];
        match origins {
            [Some(one), Some(other)] if one != other => peer,
            [Some(origin), _] | [None, Some(origin)] => origin,
            [None, None] => peer,
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Follows the addresses from `peer`, the nearest first, to the first that is not trusted. `None` is an element that
    /// cannot be parsed.
    fn walk(&self, peer: IpAddr, addresses: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut nearest = peer;
        for address in addresses.take(MAX_HOPS) {
            let Some(address) = address else { return nearest };
            if !self.trusts(address) {
                return address;
            }
            nearest = address;
        }
        nearest
    }
}

/// The addresses in `X-Forwarded-For`, from the right. Some proxies add a port.
fn listed_nodes<'h>(values: &'h [&'h [u8]]) -> impl Iterator<Item = Option<IpAddr>> + 'h {
    let items = values.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    items.map(|item| node(std::str::from_utf8(item).ok()?.trim()))
}

/// The `for` of each element of `Forwarded`, from the right. A value with unbalanced quotes counts as one element that
/// cannot be parsed, because its element boundaries are ambiguous.
fn forwarded_nodes<'h>(values: &'h [&'h [u8]]) -> impl Iterator<Item = Option<IpAddr>> + 'h {
    values.iter().rev().flat_map(|value| {
        let elements = std::str::from_utf8(value).ok().and_then(|text| split(text, ','));
        let nodes: Vec<_> = match elements {
            Some(elements) => elements.into_iter().rev().map(node_of_element).collect(),
            None => vec![None],
        };
        nodes
    })
}

/// Splits a text at a separator outside quoted strings (RFC 9110 §5.6.4); `None` if the quotes are unbalanced.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if char == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + char.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// The address in an element's `for` parameter (RFC 7239 §4 and §6), which must occur exactly once.
fn node_of_element(element: &str) -> Option<IpAddr> {
    let mut named = None;
    for pair in split(element, ';')? {
        let (name, value) = pair.trim().split_once('=')?;
        if name.eq_ignore_ascii_case("for") && named.replace(value).is_some() {
            return None;
        }
    }
    let value = named?;
    let unquoted = value.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(value);
    // Escapes need not be decoded: no address contains a backslash.
    node(unquoted)
}

/// An IP address, optionally with brackets (IPv6) and a port.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address: Option<IpAddr> = text.parse().ok().or_else(with_port).or_else(bracketed);
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.9";

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).into())
    }

    fn origin(peer: &str, forwarded: &[&str], x_forwarded_for: &[&str]) -> String {
        let forwarded: Vec<_> = forwarded.iter().map(|value| value.as_bytes()).collect();
        let listed: Vec<_> = x_forwarded_for.iter().map(|value| value.as_bytes()).collect();
        proxies().origin(peer.parse().unwrap(), &forwarded, &listed).to_string()
    }

    proptest! {
        #[test]
        fn a_client_cannot_forge_its_address(forged in prop::collection::vec(any::<u8>(), 0..40), text in "[ ,;=\"\\\\a-z0-9.:\\[\\]for]{0,40}") {
            let (proxy, real): (IpAddr, IpAddr) = (PROXY.parse().unwrap(), "192.0.2.1".parse().unwrap());
            for forged in [&forged[..], text.as_bytes()] {
                let listed = [forged, b", 192.0.2.1"].concat();
                prop_assert_eq!(proxies().origin(proxy, &[], &[&listed]), real);
                prop_assert_eq!(proxies().origin(proxy, &[], &[forged, b"192.0.2.1"]), real);
                prop_assert_eq!(proxies().origin(proxy, &[forged, b"for=192.0.2.1"], &[]), real);
                // Unbalanced quotes can hide the address that the proxy appended to the same value, but not replace it.
                let named = [forged, b", for=192.0.2.1"].concat();
                let origin = proxies().origin(proxy, &[&named], &[]);
                prop_assert!(origin == real || origin == proxy, "{}", origin);
                prop_assert_eq!(proxies().origin(real, &[&named], &[&listed]), real);
            }
        }
    }

    #[test]
    fn the_rightmost_address_that_is_not_a_trusted_proxy_is_used() {
        for (listed, expected) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            (&["203.0.113.9", "192.0.2.1"], "192.0.2.1"),
            (&["203.0.113.9, 192.0.2.1, 10.1.1.1 ,fd00::1"], "192.0.2.1"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            // All are trusted: the leftmost is the client.
            (&["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
            // An element that cannot be parsed ends the search.
            (&["192.0.2.1, unknown"], PROXY),
            (&["192.0.2.1, "], PROXY),
            (&["192.0.2.1, unknown, 10.1.1.1"], "10.1.1.1"),
            (&["192.0.2.1\", 10.1.1.1"], "10.1.1.1"),
            (&["999.0.2.1"], PROXY),
            (&["192.0.2.1:http"], PROXY),
            (&["\u{e9}"], PROXY),
            (&[""], PROXY),
            (&[], PROXY),
        ] {
            assert_eq!(origin(PROXY, &[], listed), expected, "{listed:?}");
            assert_eq!(
                origin("192.0.2.200", &[], listed),
                "192.0.2.200",
                "from an untrusted peer: {listed:?}"
            );
        }
        assert_eq!(origin("::ffff:10.0.0.9", &[], &["192.0.2.1"]), "192.0.2.1");
    }

    #[test]
    fn forwarded_is_parsed_as_in_rfc_7239() {
        for (forwarded, expected) in [
            (&["for=192.0.2.60;proto=http;by=203.0.113.43"][..], "192.0.2.60"),
            (&["for=203.0.113.9, For=\"192.0.2.1:4711\""], "192.0.2.1"),
            (&["for=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
            (&["proto=https; FOR=\"[2001:db8::1]\"; host=\"a,b;for=203.0.113.9\""], "2001:db8::1"),
            (&["for=203.0.113.9", "for=192.0.2.1, for=10.1.1.1"], "192.0.2.1"),
            (&["for=192.0.2.1, for=_hidden"], PROXY),
            (&["for=192.0.2.1, for=unknown"], PROXY),
            (&["for=192.0.2.1, proto=http"], PROXY),
            (&["for=192.0.2.1;for=192.0.2.2"], PROXY),
            (&["for=192.0.2.1, for"], PROXY),
            // Unbalanced quotes from the client make the whole value unusable.
            (&["for=\"203.0.113.9, for=192.0.2.1"], PROXY),
            (&["for=\"203.0.113.9\\\", for=192.0.2.1"], PROXY),
            (&["for=\"203.0.113.9", "for=192.0.2.1"], "192.0.2.1"),
        ] {
            assert_eq!(origin(PROXY, forwarded, &[]), expected, "{forwarded:?}");
        }
    }

    #[test]
    fn conflicting_headers_are_both_ignored() {
        let both = |forwarded: &str, listed: &str| origin(PROXY, &[forwarded], &[listed]);
        assert_eq!(both("for=192.0.2.1", "192.0.2.1"), "192.0.2.1");
        assert_eq!(both("for=203.0.113.9", "192.0.2.1"), PROXY);
        assert_eq!(both("for=\"", "192.0.2.1"), PROXY);
    }
}
