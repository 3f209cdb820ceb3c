//! The address a request comes from.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::header::FORWARDED;
use axum::http::{HeaderName, HeaderValue};

use crate::access::{Source, TrustedProxies};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a request's connection: a request extension that the listener adds.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The address a request comes from: the other end of its connection, or where proxies that are trusted
/// (`access.trusted_proxies`) say that it came from.
pub(crate) fn address(request: &Request, proxies: &TrustedProxies) -> Option<IpAddr> {
    let Peer(peer) = request.extensions().get::<Peer>()?;
    let values =
        |name| -> Vec<&[u8]> { request.headers().get_all(name).iter().map(HeaderValue::as_bytes).collect() };
    Some(proxies.origin(peer.ip(), &values(FORWARDED), &values(X_FORWARDED_FOR)))
}

/// The source that failed attempts to authenticate are counted for.
pub(crate) fn source(request: &Request, proxies: &TrustedProxies) -> Source {
    address(request, proxies).map_or(Source::Others, IpAddr::into)
}
