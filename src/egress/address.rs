//! Which addresses are not the public internet. Pure.
//!
//! From the IANA special-purpose address registries (RFC 6890) and the RFCs named below.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The kind of an address that is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressClass(&'static str);

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

/// `high` are the address's first 64 bits, `low` the others.
const fn v6(high: u64, low: u64, prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits((high as u128) << 64 | low as u128), prefix))
}

/// The first range that contains an address names its class.
const SPECIAL: &[(IpNet, &str)] = &[
    (v4(0, 0, 0, 0, 8), "an unspecified address"),          // RFC 791
    (v4(10, 0, 0, 0, 8), "a private address"),              // RFC 1918
    (v4(100, 64, 0, 0, 10), "a carrier-grade NAT address"), // RFC 6598
    (v4(127, 0, 0, 0, 8), "a loopback address"),            // RFC 1122
    (v4(169, 254, 0, 0, 16), "a link-local address"),       // RFC 3927; cloud metadata services live here
    (v4(172, 16, 0, 0, 12), "a private address"),           // RFC 1918
    (v4(192, 0, 0, 0, 24), "a reserved address"),           // RFC 6890
    (v4(192, 0, 2, 0, 24), "a documentation address"),      // RFC 5737
    (v4(192, 31, 196, 0, 24), "a reserved address"),        // RFC 7535, AS112
    (v4(192, 52, 193, 0, 24), "a reserved address"),        // RFC 7450, AMT
    (v4(192, 88, 99, 0, 24), "a 6to4 relay address"),       // RFC 7526
    (v4(192, 168, 0, 0, 16), "a private address"),          // RFC 1918
    (v4(192, 175, 48, 0, 24), "a reserved address"),        // RFC 7534, AS112
    (v4(198, 18, 0, 0, 15), "a benchmarking address"),      // RFC 2544
    (v4(198, 51, 100, 0, 24), "a documentation address"),   // RFC 5737
    (v4(203, 0, 113, 0, 24), "a documentation address"),    // RFC 5737
    (v4(224, 0, 0, 0, 4), "a multicast address"),           // RFC 5771
    (v4(255, 255, 255, 255, 32), "a broadcast address"),    // RFC 919
    (v4(240, 0, 0, 0, 4), "a reserved address"),            // RFC 1112
    (v6(0, 0, 128), "an unspecified address"),              // RFC 4291
    (v6(0, 1, 128), "a loopback address"),                  // RFC 4291
    (v6(0, 0x0000_ffff_0000_0000, 96), "an IPv4-mapped address"), // RFC 4291
    (v6(0, 0, 96), "an IPv4-compatible address"),           // RFC 4291
    (v6(0x0064_ff9b_0000_0000, 0, 96), "a NAT64 address"),  // RFC 6052
    (v6(0x0064_ff9b_0001_0000, 0, 48), "a NAT64 address"),  // RFC 8215
    (v6(0x0100_0000_0000_0000, 0, 64), "a discard-only address"), // RFC 6666
    (v6(0x2001_0000_0000_0000, 0, 32), "a Teredo address"), // RFC 4380
    (v6(0x2001_0002_0000_0000, 0, 48), "a benchmarking address"), // RFC 5180
    (v6(0x2001_0000_0000_0000, 0, 23), "a reserved address"), // RFC 2928: ORCHID and others
    (v6(0x2001_0db8_0000_0000, 0, 32), "a documentation address"), // RFC 3849
    (v6(0x2002_0000_0000_0000, 0, 16), "a 6to4 address"),   // RFC 3056
    (v6(0x2620_004f_8000_0000, 0, 48), "a reserved address"), // RFC 7534, AS112
    (v6(0x3fff_0000_0000_0000, 0, 20), "a documentation address"), // RFC 9637
    (v6(0x5f00_0000_0000_0000, 0, 16), "a segment routing (SRv6) address"), // RFC 9602
    (v6(0xfc00_0000_0000_0000, 0, 7), "a unique local address"), // RFC 4193
    (v6(0xfe80_0000_0000_0000, 0, 10), "a link-local address"), // RFC 4291
    (v6(0xfec0_0000_0000_0000, 0, 10), "a site-local address"), // RFC 3879
    (v6(0xff00_0000_0000_0000, 0, 8), "a multicast address"), // RFC 4291
];

/// All that IANA allocates for use on the internet (RFC 4291 §2.4).
const GLOBAL_UNICAST_V6: IpNet = v6(0x2000_0000_0000_0000, 0, 3);

/// The class of an address that is not public; `None` if it is.
pub(super) fn special_class(address: IpAddr) -> Option<AddressClass> {
    if let Some((_, class)) = SPECIAL.iter().find(|(range, _)| range.contains(&address)) {
        return Some(AddressClass(class));
    }
    (address.is_ipv6() && !GLOBAL_UNICAST_V6.contains(&address))
        .then_some(AddressClass("an unallocated address"))
}

#[cfg(test)]
mod tests;
