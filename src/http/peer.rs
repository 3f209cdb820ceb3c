//! Whom a connection is with.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;

use crate::access::Source;

/// The other end of a request's connection: an extension that whoever serves the connection adds.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The address a request comes from. What a proxy writes into headers is not looked at: anybody can write it.
pub(super) fn address(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|Peer(address)| address.ip())
}

/// Whose failed attempts a request's are counted with.
pub(super) fn source(request: &Request) -> Source {
    address(request).map_or(Source::Others, IpAddr::into)
}
