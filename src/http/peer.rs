//! Whom a connection is with.

use std::net::{IpAddr, SocketAddr};

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::serve::IncomingStream;
use tokio::net::TcpListener;

use crate::access::Source;

/// The other end of a connection. Whoever has another kind of listener says how it is found out there.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// The address a request comes from. What a proxy writes into headers is not looked at: anybody can write it.
pub(super) fn address(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<Peer>>().map(|ConnectInfo(Peer(address))| address.ip())
}

/// Whose failed attempts a request's are counted with.
pub(super) fn source(request: &Request) -> Source {
    address(request).map_or(Source::Others, IpAddr::into)
}
