//! `[access]`: rate limits, trusted proxies and access tokens. API tokens are in the store.

use std::num::NonZeroU32;
use std::path::PathBuf;

use ipnet::IpNet;
use url::Url;

use super::egress::network;
use super::issuer::{IssuerUrl, IssuerUrlError, is_local};
use super::keys::path;
use super::reader::Section;
use super::source::{Parsed, Value};
use crate::domain::access::Rate;
use crate::domain::uri::{self, UriError};

const DEFAULT_RATE_LIMIT: Rate = Rate::per_second(NonZeroU32::new(500).expect("it is not 0"));
const DEFAULT_FAILED_ATTEMPTS: Rate = Rate::per_minute(NonZeroU32::new(100).expect("it is not 0"));

/// `[access]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The rate limit of each caller on `/api/v2`; `None`: no limit. 500 requests a second by default.
    pub rate_limit: Option<Rate>,
    /// The rate limit of each address for requests with an invalid token; `None`: no limit. 100 a minute by
    /// default.
    pub failed_attempts: Option<Rate>,
    /// Networks of proxies whose `Forwarded` and `X-Forwarded-For` are trusted; none by default.
    pub trusted_proxies: Vec<IpNet>,
    /// `[access.jwt]`: the issuer whose access tokens are accepted besides API tokens.
    pub jwt: Option<Jwt>,
}

/// `[access.jwt]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// The required `iss`, compared byte for byte.
    pub issuer: String,
    /// The accepted audiences: `aud` must have one of them. At least one.
    pub audience: Vec<String>,
    /// The URL of the issuer's keys; `None`: as in its discovery document.
    pub jwks_uri: Option<Url>,
    /// Whether they may be fetched over `http` from elsewhere than this machine; false by default.
    pub allow_http: bool,
    /// The claims that hold scopes; `scope` and `permissions` by default.
    pub scope_claims: Vec<String>,
    /// A PEM file of certificate authorities trusted besides the platform's, relative to the working
    /// directory.
    pub ca_file: Option<PathBuf>,
}

impl Access {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            rate_limit: section.optional("rate_limit", rate).unwrap_or(Some(DEFAULT_RATE_LIMIT)),
            failed_attempts: section
                .optional("failed_attempts", rate)
                .unwrap_or(Some(DEFAULT_FAILED_ATTEMPTS)),
            trusted_proxies: section.distinct("trusted_proxies", proxies).unwrap_or_default(),
            jwt: section.optional_table("jwt", Jwt::read).flatten(),
        }
    }
}

impl Jwt {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let allow_http = section.optional("allow_http", Value::boolean).unwrap_or(false);
        let issuer = section.required("issuer", |value| issuer(value, allow_http));
        let audience = if section.require("audience") {
            section.single_or_distinct("audience", |value| Ok(vec![name(value)?]), name, at_least_one)
        } else {
            None
        };
        let jwks_uri = section.optional("jwks_uri", |value| jwks_uri(value, allow_http));
        let scope_claims = section.distinct("scope_claims", name).unwrap_or_else(default_scope_claims);
        if scope_claims.is_empty() {
            section.problem("scope_claims", AT_LEAST_ONE);
        }
        let ca_file = section.optional("ca_file", path);
        Some(Self { issuer: issuer?, audience: audience?, jwks_uri, allow_http, scope_claims, ca_file })
    }
}

fn default_scope_claims() -> Vec<String> {
    ["scope", "permissions"].map(str::to_owned).into()
}

/// A rate, or `off`.
fn rate(value: &Value) -> Parsed<Option<Rate>> {
    let text = value.text()?;
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| format!("{error}; or \"off\""))
}

/// A network of proxies. With one of all addresses, every caller could forge the address of a request.
fn proxies(value: &Value) -> Parsed<IpNet> {
    match network(value)? {
        all if all.prefix_len() == 0 => Err(
            "must be the network of your proxies: with this one anybody could say where a request came from"
                .to_owned(),
        ),
        network => Ok(network),
    }
}

fn name(value: &Value) -> Parsed<String> {
    let text = value.text()?;
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.into_owned()) }
}

fn at_least_one(names: Vec<String>) -> Parsed<Vec<String>> {
    if names.is_empty() { Err(AT_LEAST_ONE.to_owned()) } else { Ok(names) }
}

fn issuer(value: &Value, allow_http: bool) -> Parsed<String> {
    match IssuerUrl::parse(&value.text()?, allow_http) {
        Ok(issuer) => Ok(issuer.as_str().to_owned()),
        Err(IssuerUrlError::Scheme | IssuerUrlError::Uri(UriError::Scheme(_))) => Err(HTTPS_ONLY.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn jwks_uri(value: &Value, allow_http: bool) -> Parsed<Url> {
    let text = value.text()?;
    let url = uri::parse(&text).map_err(|error| match error {
        UriError::Scheme(_) => HTTPS_ONLY.to_owned(),
        error => error.to_string(),
    })?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if allow_http || is_local(&url) => Ok(url),
        _ => Err(HTTPS_ONLY.to_owned()),
    }
}

const AT_LEAST_ONE: &str = "must have at least one entry";

const HTTPS_ONLY: &str = "must begin with https:// (http:// only on localhost and loopback addresses, or where \
                          access.jwt.allow_http is true)";
