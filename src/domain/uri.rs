//! Absolute `http` and `https` URIs as people write them into a registration or a configuration. Pure.
//!
//! `Url::parse` is made for browsers: it repairs what it is given (`https:///host`, `https://@host`, `https://127.1`,
//! backslashes, line breaks) and takes hosts that nobody can connect to (`https://{tenant}.example.com`). What is
//! kept here is compared, published and dialled, also by others' parsers, so the written form must already be the
//! URI: only RFC 3986's characters, a host that can be looked up, and nothing that the parser would change but the
//! case of scheme and host.

use url::{Host, Url};

/// The longest name, in bytes (RFC 1035 §2.3.4, without the length bytes and the root).
const MAX_NAME: usize = 253;

/// The longest label of a name, in bytes (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// Why a string is no such URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// A character that no URI has (RFC 3986 §2), or a `%` that begins no escape.
    #[error(
        "must not contain {0}: a URI has none, percent-encode it in path or query, and write a host's name in \
         its ASCII form (RFC 3986)"
    )]
    Character(Shown),
    /// Not absolute: without a scheme, or without `//` after it.
    #[error("must be an absolute URI such as https://rp.example.com/path")]
    NotAbsolute,
    /// Neither `https` nor `http`.
    #[error("must be an https URI, not {0}:")]
    Scheme(String),
    /// A `user:password@`, even an empty one.
    #[error("must not contain a user name or password, nor an @ before the host")]
    Credentials,
    /// A host that is none.
    #[error("must have a host that can be looked up: {0}")]
    Host(HostProblem),
    /// A port that is none.
    #[error("must have a port from 1 to 65535 after the host, or no colon there")]
    Port,
    /// A path that would be another one when it is asked for.
    #[error("must not have . or .. as a part of its path")]
    DotSegment,
}

/// A character, as a message shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown(char);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            ' ' => f.write_str("a space"),
            c if c.is_ascii_graphic() => write!(f, "`{c}`"),
            c => write!(f, "the character U+{:04X}", u32::from(c)),
        }
    }
}

/// What is wrong with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostProblem {
    /// There is none.
    #[error("it is missing after //")]
    Missing,
    /// Two dots, or one at the beginning.
    #[error("a part between its dots is empty")]
    EmptyLabel,
    /// A part is too long.
    #[error("a part between its dots is longer than {MAX_LABEL} characters")]
    LongLabel,
    /// All of it is too long.
    #[error("it is longer than {MAX_NAME} characters")]
    Long,
    /// A character that no name has.
    #[error("{0} is not in a host's name, which has letters, digits, - and _ between its dots")]
    Character(Shown),
    /// A `-` where none may be.
    #[error("a part between its dots begins or ends with -")]
    Hyphen,
    /// A number that is no IPv4 address in four parts, which others would read as one.
    #[error("an IPv4 address is written as four numbers from 0 to 255")]
    Number,
    /// Brackets without an IPv6 address.
    #[error("an IPv6 address is written in brackets, without a zone")]
    Ipv6,
    /// A label in the ASCII form of international names that stands for none.
    #[error("a part of it that begins with xn-- is no international name")]
    Punycode,
}

/// Parses a URI that is already in the form in which it is used. Whether `http` is allowed, or a fragment, is the
/// caller's to say.
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
    // Outside a host they are for queries, where many write them although they should not.
    if let Some(c) = path.chars().find(|c| matches!(c, '[' | ']')) {
        return Err(UriError::Character(Shown(c)));
    }
    if path.split('/').any(is_dot_segment) {
        return Err(UriError::DotSegment);
    }
    let url = Url::parse(text).map_err(|_| UriError::Host(HostProblem::Punycode))?;
    // Whatever the parser makes of a host that passed, it must not be another.
    if is_same_host(&url, host) { Ok(url) } else { Err(UriError::Host(HostProblem::Number)) }
}

/// RFC 3986 §2: unreserved and reserved characters, and escapes.
fn check_characters(text: &str) -> Result<(), UriError> {
    for (at, c) in text.char_indices() {
        match c {
            '%' => {
                let digits = text.as_bytes().get(at + 1..at + 3);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(UriError::Character(Shown(c)));
                }
            }
            c if c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=".contains(c) => {}
            c => return Err(UriError::Character(Shown(c))),
        }
    }
    Ok(())
}

/// Host and port of an authority; the port with its colon.
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
    // A name may end with the root's dot.
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() > MAX_NAME {
        return refused(HostProblem::Long);
    }
    for label in name.split('.') {
        if let Some(c) = label.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
            return refused(HostProblem::Character(Shown(c)));
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
    // The URL standard's "ends in a number": then all of it is an IPv4 address, or nothing.
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

/// Also in the escaped forms that the URL standard has for it.
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

    /// What whoever dials needs of it.
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
    fn what_is_a_uri_is_taken_as_it_is_written() {
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
    fn what_is_none_is_refused_and_why() {
        use HostProblem as H;
        let character = |c| UriError::Character(Shown(c));
        let host = |problem| UriError::Host(problem);
        for (text, expected) in [
            ("", UriError::NotAbsolute),
            ("rp.example.com/logout", UriError::NotAbsolute),
            ("//rp.example.com", UriError::NotAbsolute),
            ("https:rp.example.com", UriError::NotAbsolute),
            ("https:/rp.example.com", UriError::NotAbsolute),
            ("1://rp.example.com", UriError::NotAbsolute),
            ("ftp://rp.example.com/", UriError::Scheme("ftp".to_owned())),
            // Hosts that no URL can have.
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
            ("https://a%20b.example.com", host(H::Character(Shown('%')))),
            ("https://%31%32%37.0.0.1/", host(H::Character(Shown('%')))),
            ("https://a,b.example", host(H::Character(Shown(',')))),
            ("https://*.example.com", host(H::Character(Shown('*')))),
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
            ("https://a[::1]/", host(H::Character(Shown('[')))),
            // What a browser's parser repairs.
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
            // The rest of it.
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

    /// What is taken passes it anyway: it is there in case the parser's rules change.
    #[test]
    fn a_host_that_the_parser_changes_is_not_the_one_that_was_written() {
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
    fn a_character_is_shown_so_that_it_can_be_found() {
        for (c, shown) in [
            (' ', "a space"),
            ('{', "`{`"),
            ('\0', "the character U+0000"),
            ('\u{ad}', "the character U+00AD"),
        ] {
            assert_eq!(Shown(c).to_string(), shown);
        }
    }

    proptest! {
        /// Whatever is accepted can be dialled, and by every parser on the way.
        #[test]
        fn what_is_taken_can_be_used(
            host in "[a-z0-9.\\-_%x\\[\\]:{}\"`|^@]{0,12}", path in "[ -~]{0,6}",
        ) {
            let text = format!("https://{host}/{path}");
            if let Ok(url) = parse(&text) {
                assert_usable(&text, &url);
            }
        }

        /// Any short name: most of what this draws is accepted.
        #[test]
        fn names_can_be_used(host in "[a-zA-Z0-9_\\-]{1,8}(\\.[a-z0-9\\-]{1,4}){0,3}\\.?", port in 0_u32..70_000) {
            let text = format!("https://{host}:{port}/");
            if let Ok(url) = parse(&text) {
                assert_usable(&text, &url);
            }
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,20}") {
            let _ = parse(&text);
            let _ = parse(&format!("https://{text}"));
        }
    }
}
