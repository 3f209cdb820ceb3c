//! Strict parsing of absolute `http` and `https` URIs from registrations and the configuration.
//!
//! `Url::parse` follows the WHATWG URL standard for browsers: it repairs its input (`https:///host`, `https://@host`,
//! `https://127.1`, backslashes, line breaks) and accepts hosts that cannot be resolved
//! (`https://{tenant}.example.com`). URIs here are compared, published and connected to, also with other parsers, so
//! their text must be valid as it is: only RFC 3986's characters, a host that can be resolved, and nothing that the
//! parser would change except the case of scheme and host.

use url::{Host, Url};

/// The longest host name, in bytes (RFC 1035 §2.3.4, without the length bytes and the root).
const MAX_NAME: usize = 253;

/// The longest label of a name, in bytes (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// Why a string is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// A character that is not allowed in URIs (RFC 3986 §2), or a `%` without two hexadecimal digits.
    #[error(
        "must not contain {0}: a URI has none, percent-encode it in path or query, and write a host's name in \
         its ASCII form (RFC 3986)"
    )]
    Character(DisplayedChar),
    /// Not absolute: without a scheme, or without `//` after it.
    #[error("must be an absolute URI such as https://rp.example.com/path")]
    NotAbsolute,
    /// Neither `https` nor `http`.
    #[error("must be an https URI, not {0}:")]
    Scheme(String),
    /// A `user:password@`, even an empty one.
    #[error("must not contain a user name or password, nor an @ before the host")]
    Credentials,
    /// An invalid host.
    #[error("must have a host that can be looked up: {0}")]
    Host(HostProblem),
    /// An invalid port.
    #[error("must have a port from 1 to 65535 after the host, or no colon there")]
    Port,
    /// A dot segment in the path, which clients remove before they send the request.
    #[error("must not have . or .. as a part of its path")]
    DotSegment,
}

/// A character, formatted for an error message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisplayedChar(char);

impl std::fmt::Display for DisplayedChar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            ' ' => f.write_str("a space"),
            c if c.is_ascii_graphic() => write!(f, "`{c}`"),
            c => write!(f, "the character U+{:04X}", u32::from(c)),
        }
    }
}

/// Why a host is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostProblem {
    /// It is missing.
    #[error("it is missing after //")]
    Missing,
    /// Two dots, or one at the beginning.
    #[error("a part between its dots is empty")]
    EmptyLabel,
    /// A label is too long.
    #[error("a part between its dots is longer than {MAX_LABEL} characters")]
    LongLabel,
    /// The name is too long.
    #[error("it is longer than {MAX_NAME} characters")]
    Long,
    /// A character that is not allowed in host names.
    #[error("{0} is not in a host's name, which has letters, digits, - and _ between its dots")]
    Character(DisplayedChar),
    /// A label begins or ends with `-`.
    #[error("a part between its dots begins or ends with -")]
    Hyphen,
    /// A number that is not a dotted-quad IPv4 address, but which some parsers read as an address.
    #[error("an IPv4 address is written as four numbers from 0 to 255")]
    Number,
    /// Brackets without an IPv6 address.
    #[error("an IPv6 address is written in brackets, without a zone")]
    Ipv6,
    /// A label that begins with `xn--` and is not valid Punycode.
    #[error("a part of it that begins with xn-- is no international name")]
    Punycode,
}

/// Parses a URI strictly, without repairing it. The caller decides whether `http` and fragments are allowed.
pub fn parse(text: &str) -> Result<Url, UriError> {
    check_characters(text)?;
    let (scheme, rest) = text.split_once(':').ok_or(UriError::NotAbsolute)?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|it| it.is_ascii_alphanumeric() || b"+-.".contains(&it));
    let after = rest.strip_prefix("//").filter(|_| is_scheme).ok_or(UriError::NotAbsolute)?;
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(&*scheme, "https" | "http") {
        return Err(UriError::Scheme(scheme));
    }
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(end);
    if authority.contains('@') {
        return Err(UriError::Credentials);
    }
    let (host, port) = split_port(authority)?;
    check_host(host)?;
    check_port(port)?;
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    // `check_characters` allows brackets, for IPv6 hosts and queries; in a path they must be percent-encoded.
    if let Some(c) = path.chars().find(|c| matches!(c, '[' | ']')) {
        return Err(UriError::Character(DisplayedChar(c)));
    }
    if path.split('/').any(is_dot_segment) {
        return Err(UriError::DotSegment);
    }
    let url = Url::parse(text).map_err(|_| UriError::Host(HostProblem::Punycode))?;
    // A safeguard: the parser must not have changed the host.
    if is_same_host(&url, host) { Ok(url) } else { Err(UriError::Host(HostProblem::Number)) }
}

/// RFC 3986 §2: unreserved and reserved characters, and percent-encoded ones.
fn check_characters(text: &str) -> Result<(), UriError> {
    for (at, c) in text.char_indices() {
        match c {
            '%' => {
                let digits = text.as_bytes().get(at + 1..at + 3);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(UriError::Character(DisplayedChar(c)));
                }
            }
            c if c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=".contains(c) => {}
            c => return Err(UriError::Character(DisplayedChar(c))),
        }
    }
    Ok(())
}

/// Splits an authority into host and port; the port includes its colon.
fn split_port(authority: &str) -> Result<(&str, &str), UriError> {
    if authority.starts_with('[') {
        let end = authority.find(']').ok_or(UriError::Host(HostProblem::Ipv6))?;
        return Ok(authority.split_at(end + 1));
    }
    Ok(authority.split_at(authority.find(':').unwrap_or(authority.len())))
}

fn check_host(host: &str) -> Result<(), UriError> {
    let refused = |problem| Err(UriError::Host(problem));
    if host.is_empty() {
        return refused(HostProblem::Missing);
    }
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']').map(str::parse::<std::net::Ipv6Addr>);
        return if matches!(address, Some(Ok(_))) { Ok(()) } else { refused(HostProblem::Ipv6) };
    }
    // A fully qualified name may end with a dot.
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() > MAX_NAME {
        return refused(HostProblem::Long);
    }
    for label in name.split('.') {
        if let Some(c) = label.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
            return refused(HostProblem::Character(DisplayedChar(c)));
        }
        if label.is_empty() {
            return refused(HostProblem::EmptyLabel);
        }
        if label.len() > MAX_LABEL {
            return refused(HostProblem::LongLabel);
        }
        if label.starts_with('-') || label.ends_with('-') {
            return refused(HostProblem::Hyphen);
        }
    }
    // The URL standard's "ends in a number": such a host must be an IPv4 address.
    let last = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_hex = last.strip_prefix("0x").is_some_and(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
    let is_number = last.bytes().all(|it| it.is_ascii_digit()) || is_hex;
    if is_number && host.parse::<std::net::Ipv4Addr>().is_err() {
        return refused(HostProblem::Number);
    }
    Ok(())
}

fn check_port(port: &str) -> Result<(), UriError> {
    let Some(digits) = port.strip_prefix(':') else {
        return if port.is_empty() { Ok(()) } else { Err(UriError::Host(HostProblem::Ipv6)) };
    };
    let plain = digits.bytes().all(|it| it.is_ascii_digit()) && !digits.starts_with('0');
    if plain && digits.parse::<u16>().is_ok() { Ok(()) } else { Err(UriError::Port) }
}

/// `.` or `..`, also percent-encoded (URL standard, "single-dot" and "double-dot URL path segment").
fn is_dot_segment(segment: &str) -> bool {
    matches!(&*segment.to_ascii_lowercase().replace("%2e", "."), "." | "..")
}

fn is_same_host(url: &Url, written: &str) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case(written),
        Some(Host::Ipv4(address)) => written.parse() == Ok(address),
        Some(Host::Ipv6(address)) => written.trim_matches(['[', ']']).parse() == Ok(address),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use hyper::Uri;
    use proptest::prelude::*;
    use rustls::pki_types::ServerName;

    use super::*;

    /// Asserts that the HTTP client and TLS accept the URI.
    fn assert_usable(text: &str, url: &Url) {
        let uri: Uri = url.as_str().parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            uri.authority().map(|it| it.as_str().to_owned()).as_deref(),
            Some(url.authority()),
            "{text}"
        );
        let host = uri.host().unwrap().trim_matches(['[', ']']).to_owned();
        ServerName::try_from(host).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(text.parse::<Uri>().is_ok(), "{text}");
    }

    #[test]
    fn valid_uris_are_accepted_unchanged() {
        for text in [
            "https://rp.example.com",
            "https://rp.example.com/",
            "HTTPS://RP.example.com:443/a%2fB/?tenant=a%2Fb&x[]=1",
            "https://rp.example.com?x=//@:",
            "https://rp.example.com/@:;=!$&'()*+,~_-.x/..x/...",
            "https://rp.example.com./x",
            "https://my_service/x",
            "https://xn--bcher-kva.example/",
            "https://1and1.example",
            "https://203.0.113.7:8443/",
            "http://[::1]:8/x",
            "https://[::ffff:127.0.0.1]/",
            "https://[2001:DB8:0:0::1]",
            &format!("https://{}.example", "a".repeat(63)),
            &format!("https://{}a", "a.".repeat(126)),
        ] {
            match parse(text) {
                Ok(url) => assert_usable(text, &url),
                Err(error) => panic!("{text}: {error}"),
            }
        }
    }

    #[test]
    fn invalid_uris_are_rejected_with_the_reason() {
        use HostProblem as H;
        let character = |c| UriError::Character(DisplayedChar(c));
        let host = |problem| UriError::Host(problem);
        for (text, expected) in [
            ("", UriError::NotAbsolute),
            ("rp.example.com/logout", UriError::NotAbsolute),
            ("//rp.example.com", UriError::NotAbsolute),
            ("https:rp.example.com", UriError::NotAbsolute),
            ("https:/rp.example.com", UriError::NotAbsolute),
            ("1://rp.example.com", UriError::NotAbsolute),
            ("ftp://rp.example.com/", UriError::Scheme("ftp".to_owned())),
            // Invalid hosts.
            ("https://{tenant}.example.com", character('{')),
            ("https://tenant}.example.com", character('}')),
            ("https://a\"b.example.com", character('"')),
            ("https://a`b.example.com", character('`')),
            ("https://a|b.example.com", character('|')),
            ("https://a^b.example.com", character('^')),
            ("https://a<b.example.com", character('<')),
            ("https://a>b.example.com", character('>')),
            ("https://a b.example.com", character(' ')),
            ("https://a\u{7f}b.example.com", character('\u{7f}')),
            ("https://a\0b.example.com", character('\0')),
            ("https://ex\u{e4}mple.com", character('\u{e4}')),
            ("https://a\u{ad}b.example", character('\u{ad}')),
            ("https://a%b.example.com", character('%')),
            ("https://a%zz.example.com", character('%')),
            ("https://a%20b.example.com", host(H::Character(DisplayedChar('%')))),
            ("https://%31%32%37.0.0.1/", host(H::Character(DisplayedChar('%')))),
            ("https://a,b.example", host(H::Character(DisplayedChar(',')))),
            ("https://*.example.com", host(H::Character(DisplayedChar('*')))),
            ("https://a..example.com", host(H::EmptyLabel)),
            ("https://.example.com", host(H::EmptyLabel)),
            ("https://example.com../", host(H::EmptyLabel)),
            ("https://./", host(H::EmptyLabel)),
            ("https://-a.example.com", host(H::Hyphen)),
            ("https://a-.example.com", host(H::Hyphen)),
            ("https://xn--a.example", host(H::Punycode)),
            ("https://127.1/", host(H::Number)),
            ("https://2130706433/", host(H::Number)),
            ("https://0x7f.1/", host(H::Number)),
            ("https://0x/", host(H::Number)),
            ("https://0177.0.0.1/", host(H::Number)),
            ("https://1.2.3.256/", host(H::Number)),
            ("https://1.2.3.4./", host(H::Number)),
            ("https://a.1", host(H::Number)),
            ("https://[::1", host(H::Ipv6)),
            ("https://[]/", host(H::Ipv6)),
            ("https://[::1]x/", host(H::Ipv6)),
            ("https://[fe80::1%25eth0]/", host(H::Ipv6)),
            ("https://[v1.a]/", host(H::Ipv6)),
            ("https://a[::1]/", host(H::Character(DisplayedChar('[')))),
            // Input that a browser's parser would repair.
            ("https://", host(H::Missing)),
            ("https:///rp.example.com", host(H::Missing)),
            ("https:////rp.example.com", host(H::Missing)),
            ("https://?x", host(H::Missing)),
            ("https://:443/", host(H::Missing)),
            ("https://@rp.example.com", UriError::Credentials),
            ("https://:@rp.example.com", UriError::Credentials),
            ("https://user@rp.example.com", UriError::Credentials),
            ("https://user:secret@rp.example.com/", UriError::Credentials),
            ("https:\\\\rp.example.com", character('\\')),
            ("https://rp.example.com\\@evil.example/", character('\\')),
            (" https://rp.example.com/", character(' ')),
            ("https://rp.exa\nmple.com/", character('\n')),
            ("ht\ttps://rp.example.com/", character('\t')),
            ("https://rp.example.com/\r", character('\r')),
            ("https://rp.example.com:/", UriError::Port),
            ("https://rp.example.com:0/", UriError::Port),
            ("https://rp.example.com:0443/", UriError::Port),
            ("https://rp.example.com:65536/", UriError::Port),
            ("https://rp.example.com:+1/", UriError::Port),
            ("https://rp.example.com:80:80/", UriError::Port),
            ("https://rp.example.com/a/../b", UriError::DotSegment),
            ("https://rp.example.com/.", UriError::DotSegment),
            ("https://rp.example.com/%2E%2e/b?x", UriError::DotSegment),
            // Path and query, and lengths.
            ("https://rp.example.com/{tenant}", character('{')),
            ("https://rp.example.com/?x=\"", character('"')),
            ("https://rp.example.com/[x]", character('[')),
            ("https://rp.example.com/%", character('%')),
            ("https://rp.example.com/\u{e4}", character('\u{e4}')),
            (&format!("https://{}.example", "a".repeat(64)), host(H::LongLabel)),
            (&format!("https://{}aa", "a.".repeat(126)), host(H::Long)),
        ] {
            assert_eq!(parse(text), Err(expected), "{text:?}");
        }
    }

    /// Every accepted URI passes this check; it guards against changes of the parser's rules.
    #[test]
    fn a_host_changed_by_the_parser_is_detected() {
        for (text, written, same) in [
            ("https://rp.example.com/", "RP.example.com", true),
            ("https://rp.example.com/", "rp.example.org", false),
            ("https://127.1/", "127.0.0.1", true),
            ("https://127.1/", "127.1", false),
            ("https://[::1]/", "[0::1]", true),
            ("https://[::1]/", "[::2]", false),
            ("data:x", "x", false),
        ] {
            assert_eq!(is_same_host(&Url::parse(text).unwrap(), written), same, "{text} {written}");
        }
    }

    #[test]
    fn invisible_characters_are_shown_by_name_or_code_point() {
        for (c, shown) in [
            (' ', "a space"),
            ('{', "`{`"),
            ('\0', "the character U+0000"),
            ('\u{ad}', "the character U+00AD"),
        ] {
            assert_eq!(DisplayedChar(c).to_string(), shown);
        }
    }

    proptest! {
        /// Every accepted URI is accepted by the HTTP client and TLS, too.
        #[test]
        fn accepted_uris_can_be_connected_to(
            host in "[a-z0-9.\\-_%x\\[\\]:{}\"`|^@]{0,12}", path in "[ -~]{0,6}",
        ) {
            let text = format!("https://{host}/{path}");
            if let Ok(url) = parse(&text) {
                assert_usable(&text, &url);
            }
        }

        /// Short host names, most of which are accepted.
        #[test]
        fn accepted_host_names_can_be_connected_to(host in "[a-zA-Z0-9_\\-]{1,8}(\\.[a-z0-9\\-]{1,4}){0,3}\\.?", port in 0_u32..70_000) {
            let text = format!("https://{host}:{port}/");
            if let Ok(url) = parse(&text) {
                assert_usable(&text, &url);
            }
        }

        #[test]
        fn no_text_causes_a_panic(text in "\\PC{0,20}") {
            let _ = parse(&text);
            let _ = parse(&format!("https://{text}"));
        }
    }
}
