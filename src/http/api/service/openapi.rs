//! `GET /api/v2/openapi.json`: what the HTTP API accepts and answers, as OpenAPI 3.1.

use std::sync::LazyLock;

use axum::Extension;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

/// The document of all routes, which the router provides as a request extension. It is made when it is first read.
#[derive(Clone, Copy)]
pub(crate) struct Document(pub(crate) &'static LazyLock<Bytes>);

/// This document.
#[utoipa::path(
    get,
    path = "/api/v2/openapi.json",
    tag = "service",
    operation_id = "getOpenApi",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json"))
)]
pub(super) async fn show(Extension(Document(document)): Extension<Document>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], Bytes::clone(document))
}
