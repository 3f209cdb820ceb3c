//! Lists written by hand, from the registries themselves: a test that took its networks from the table beside it
//! could not miss one.

use super::*;

fn class(text: &str) -> Option<&'static str> {
    special_class(text.parse().unwrap_or_else(|_| panic!("{text}"))).map(|class| class.0)
}

fn is_public(text: &str) -> bool {
    class(text).is_none()
}

#[test]
fn each_kind_is_named() {
    for (address, expected) in [
        ("0.1.2.3", Some("an unspecified address")),
        ("10.1.2.3", Some("a private address")),
        ("100.127.255.255", Some("a carrier-grade NAT address")),
        ("127.8.9.1", Some("a loopback address")),
        ("169.254.169.254", Some("a link-local address")),
        ("172.31.255.255", Some("a private address")),
        ("192.0.0.8", Some("a reserved address")),
        ("192.0.2.1", Some("a documentation address")),
        ("192.88.99.1", Some("a 6to4 relay address")),
        ("192.168.1.1", Some("a private address")),
        ("198.19.0.1", Some("a benchmarking address")),
        ("224.0.0.1", Some("a multicast address")),
        ("240.0.0.1", Some("a reserved address")),
        ("255.255.255.255", Some("a broadcast address")),
        ("1.1.1.1", None),
        ("::", Some("an unspecified address")),
        ("::1", Some("a loopback address")),
        ("::1.2.3.4", Some("an IPv4-compatible address")),
        ("::ffff:1.1.1.1", Some("an IPv4-mapped address")),
        ("64:ff9b::101:101", Some("a NAT64 address")),
        ("64:ff9b:1::1", Some("a NAT64 address")),
        ("100::1", Some("a discard-only address")),
        ("2001::1", Some("a Teredo address")),
        ("2001:2::1", Some("a benchmarking address")),
        ("2001:20::1", Some("a reserved address")),
        ("2001:db8::1", Some("a documentation address")),
        ("2002:101:101::1", Some("a 6to4 address")),
        ("2606:4700:4700::1111", None),
        ("3fff::1", Some("a documentation address")),
        ("4000::1", Some("an unallocated address")),
        ("5f00::1", Some("a segment routing (SRv6) address")),
        ("fd00::1", Some("a unique local address")),
        ("fe80::1", Some("a link-local address")),
        ("fec0::1", Some("a site-local address")),
        ("ff02::1", Some("a multicast address")),
    ] {
        assert_eq!(class(address), expected, "{address}");
    }
}

/// Of each network of <https://www.iana.org/assignments/iana-ipv4-special-registry> that is not reachable from
/// everywhere, and of the multicast ones: the address before it, its first and last, and the one after it. Those
/// around it that are special themselves are left out.
const V4: &[[&str; 4]] = &[
    ["", "0.0.0.0", "0.255.255.255", "1.0.0.0"],
    ["9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"],
    ["100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"],
    ["126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"],
    ["169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"],
    ["172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"],
    ["191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"],
    ["192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"],
    ["192.31.195.255", "192.31.196.0", "192.31.196.255", "192.31.197.0"],
    ["192.52.192.255", "192.52.193.0", "192.52.193.255", "192.52.194.0"],
    ["192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"],
    ["192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"],
    ["192.175.47.255", "192.175.48.0", "192.175.48.255", "192.175.49.0"],
    ["198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"],
    ["198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"],
    ["203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"],
    ["223.255.255.255", "224.0.0.0", "239.255.255.255", ""],
    ["", "240.0.0.0", "255.255.255.255", ""],
];

/// The same of <https://www.iana.org/assignments/iana-ipv6-special-registry>, and of what is not allocated.
const V6: &[[&str; 4]] = &[
    ["", "::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"],
    ["", "::1", "::1", ""],
    ["", "::ffff:0:0", "::ffff:ffff:ffff", ""],
    ["", "64:ff9b::", "64:ff9b::ffff:ffff", ""],
    ["", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", ""],
    ["", "100::", "100::ffff:ffff:ffff:ffff", ""],
    ["", "100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", ""],
    [
        "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001::",
        "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:200::",
    ],
    [
        "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db8::",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db9::",
    ],
    [
        "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2002::",
        "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2003::",
    ],
    [
        "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff",
        "2620:4f:8000::",
        "2620:4f:8000:ffff:ffff:ffff:ffff:ffff",
        "2620:4f:8001::",
    ],
    [
        "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff::",
        "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff:1000::",
    ],
    ["3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""],
    ["", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""],
    ["", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""],
    ["", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""],
    ["", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""],
    ["", "ff00::", "ff02::fb", ""],
];

#[test]
fn a_network_is_special_from_its_first_address_to_its_last() {
    for [before, first, last, after] in V4.iter().chain(V6) {
        assert!(!is_public(first) && !is_public(last), "{first} to {last}");
        for public in [before, after].into_iter().filter(|it| !it.is_empty()) {
            assert!(is_public(public), "{public}");
        }
    }
}

#[test]
fn what_carries_an_ipv4_address_is_never_public() {
    let public = ["1.1.1.1", "8.8.8.8", "192.169.0.0"];
    for v4 in V4.iter().flat_map(|row| [row[1], row[2]]).chain(public) {
        let [a, b, c, d] = v4.parse::<Ipv4Addr>().unwrap().octets();
        for text in [
            format!("::ffff:{v4}"),
            format!("::{v4}"),
            format!("::ffff:0:{v4}"),
            format!("64:ff9b::{v4}"),
            format!("64:ff9b:1::{v4}"),
            format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
            // Teredo has the server's address as it is, and the client's inverted.
            format!("2001:0:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
            format!("2001:0:101:101:0:0:{:02x}{:02x}:{:02x}{:02x}", !a, !b, !c, !d),
        ] {
            assert!(!is_public(&text), "{text}");
        }
    }
}
