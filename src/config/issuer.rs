//! `[issuer]`: the OP that logout tokens are issued for.

use std::fmt;

use url::{Host, Url};

use super::pairwise::{Pairwise, Salt};
use super::reader::Section;
use super::source::{Parsed, Value};
use crate::domain::uri::{self, UriError};

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
        let url = uri::parse(text)?;
        // Relying parties compare byte for byte: a scheme in upper case would be another issuer for some of them.
        let scheme = text.split("://").next().unwrap_or_default();
        if scheme != "https" && !(scheme == "http" && (allow_http || is_local(&url))) {
            return Err(IssuerUrlError::Scheme);
        }
        if text.contains(['?', '#']) {
            return Err(IssuerUrlError::QueryOrFragment);
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

/// Why a string is not an [`IssuerUrl`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerUrlError {
    /// Not an absolute URL.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// Not `https`, and not a local host.
    #[error("must begin with https:// (http:// only on localhost and loopback addresses)")]
    Scheme,
    /// A `?query` or a `#fragment`.
    #[error("must have neither a query nor a fragment (OpenID Connect Core, section 2)")]
    QueryOrFragment,
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
    let url = uri::parse(&text).map_err(|error| error.to_string())?;
    if url.scheme() != "https" && !is_local(&url) {
        return Err("must be an https URL, such as https://op.example.com/jwks".to_owned());
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment".to_owned());
    }
    Ok(text)
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
        use IssuerUrlError::{QueryOrFragment, Scheme, Uri};
        for (text, expected) in [
            ("", Uri(UriError::NotAbsolute)),
            ("op.example.com", Uri(UriError::NotAbsolute)),
            ("https:op.example.com", Uri(UriError::NotAbsolute)),
            ("HTTPS://op.example.com", Scheme),
            ("http://op.example.com", Scheme),
            ("http://192.168.0.1", Scheme),
            ("http://localhost.example.com", Scheme),
            ("ftp://localhost", Uri(UriError::Scheme("ftp".to_owned()))),
            ("https://op.example.com?", QueryOrFragment),
            ("https://op.example.com/?a=b", QueryOrFragment),
            ("https://op.example.com/#", QueryOrFragment),
            ("https://user@op.example.com", Uri(UriError::Credentials)),
            ("https://@op.example.com", Uri(UriError::Credentials)),
        ] {
            assert_eq!(text.parse::<IssuerUrl>(), Err(expected), "{text}");
        }
        for text in [
            "https:///op.example.com",
            " https://op.example.com",
            "https://op.example.com/\n",
            "https://\u{f6}p.example.com",
            "https:\\\\op.example.com",
            "https://{tenant}.example.com",
        ] {
            assert!(matches!(text.parse::<IssuerUrl>(), Err(Uri(_))), "{text}");
        }
    }
}
