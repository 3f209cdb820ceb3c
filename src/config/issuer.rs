//! `[issuer]`: who the logout tokens are from.

use std::fmt;

use url::{Host, Url};

use super::pairwise::{Pairwise, Salt};
use super::reader::Section;
use super::source::{Parsed, Value};

/// `[issuer]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The OP's identifier.
    pub url: IssuerUrl,
    /// Where relying parties find the public keys: by default `url` + `/.well-known/jwks.json`.
    pub jwks_uri: String,
    /// How it computes pairwise subjects.
    pub pairwise: Pairwise,
}

impl Issuer {
    pub(super) fn read(section: &mut Section<'_>) -> (Option<Self>, Salt) {
        let url = section.required("url", issuer_url);
        let jwks_uri = section.optional("jwks_uri", jwks_uri);
        let (pairwise, salt) = section.table("pairwise", Pairwise::read);
        let issuer = url.map(|url| {
            let jwks_uri = jwks_uri
                .unwrap_or_else(|| format!("{}/.well-known/jwks.json", url.as_str().trim_end_matches('/')));
            Self { url, jwks_uri, pairwise }
        });
        (issuer, salt)
    }
}

/// The OP's issuer identifier: an absolute `https` URL without query, fragment or credentials (OpenID
/// Connect Core §2, Discovery §2), kept byte for byte because relying parties compare it so. `http` is
/// allowed on `localhost` and loopback addresses, for development.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuerUrl {
    text: String,
    url: Url,
}

impl IssuerUrl {
    /// Parses it. `allow_http`: whether `http` is allowed everywhere.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, IssuerUrlError> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(IssuerUrlError::Characters);
        }
        let url = Url::parse(text).map_err(|_| IssuerUrlError::NotAbsolute)?;
        // The parser forgives `https:host` and `https:///host`; a comparison byte for byte does not.
        let (scheme, rest) = text.split_once("://").ok_or(IssuerUrlError::NotAbsolute)?;
        if rest.starts_with('/') {
            return Err(IssuerUrlError::NotAbsolute);
        }
        if scheme != "https" && !(scheme == "http" && (allow_http || is_local(&url))) {
            return Err(IssuerUrlError::Scheme);
        }
        if text.contains(['?', '#']) {
            return Err(IssuerUrlError::QueryOrFragment);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(IssuerUrlError::Credentials);
        }
        Ok(Self { text: text.to_owned(), url })
    }

    /// As it was written: the `iss` claim.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Parsed, to find paths beneath it.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

impl fmt::Debug for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a string is no [`IssuerUrl`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerUrlError {
    /// Not an absolute URL.
    #[error("must be an absolute URL such as \"https://op.example.com\"")]
    NotAbsolute,
    /// The URL parser would change it, so that it would not be what relying parties compare with.
    #[error("must not contain spaces, control characters, backslashes or characters outside ASCII")]
    Characters,
    /// Not `https`, and not on this machine.
    #[error("must begin with https:// (http:// only on localhost and loopback addresses)")]
    Scheme,
    /// A `?query` or a `#fragment`.
    #[error("must have neither a query nor a fragment (OpenID Connect Core, section 2)")]
    QueryOrFragment,
    /// A `user:password@`.
    #[error("must not contain a user name or password")]
    Credentials,
}

impl std::str::FromStr for IssuerUrl {
    type Err = IssuerUrlError;

    fn from_str(text: &str) -> Result<Self, IssuerUrlError> {
        Self::parse(text, false)
    }
}

/// Whether it names this machine.
pub(super) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn jwks_uri(value: &Value) -> Parsed<String> {
    let text = value.text()?.into_owned();
    match Url::parse(&text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err(IssuerUrlError::Credentials.to_string())
        }
        Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_local(&url)) => Ok(text),
        _ => Err("must be an absolute https URL, such as https://op.example.com/jwks".to_owned()),
    }
}

fn issuer_url(value: &Value) -> Parsed<IssuerUrl> {
    value.text()?.parse().map_err(|error: IssuerUrlError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_kept_byte_for_byte() {
        for text in [
            "https://op.example.com",
            "https://op.example.com/",
            "https://OP.example.com:443/tenant/a%2fb/",
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "http://[::1]",
            "http://op.localhost",
        ] {
            assert_eq!(text.parse::<IssuerUrl>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_no_issuer_is_refused() {
        use IssuerUrlError::{Characters, Credentials, NotAbsolute, QueryOrFragment, Scheme};
        for (text, expected) in [
            ("", NotAbsolute),
            ("op.example.com", NotAbsolute),
            ("https:op.example.com", NotAbsolute),
            ("https:///op.example.com", NotAbsolute),
            (" https://op.example.com", Characters),
            ("https://op.example.com/\n", Characters),
            ("https://öp.example.com", Characters),
            ("https:\\\\op.example.com", Characters),
            ("HTTPS://op.example.com", Scheme),
            ("http://op.example.com", Scheme),
            ("http://192.168.0.1", Scheme),
            ("http://localhost.example.com", Scheme),
            ("ftp://localhost", Scheme),
            ("https://op.example.com?", QueryOrFragment),
            ("https://op.example.com/?a=b", QueryOrFragment),
            ("https://op.example.com/#", QueryOrFragment),
            ("https://user@op.example.com", Credentials),
            ("https://user:password@op.example.com", Credentials),
        ] {
            assert_eq!(text.parse::<IssuerUrl>(), Err(expected), "{text}");
        }
    }
}
