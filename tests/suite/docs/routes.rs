//! The tables of requests against the OpenAPI document, which has every route.

use std::collections::BTreeSet;

use super::{assert_same, code_spans, openapi, tables_of};

const PAGES: [&str; 3] = ["docs/management-api.md", "docs/delivery.md", "docs/operations.md"];

/// Requests that are described without a table.
const IN_PROSE: [&str; 5] = [
    "GET /.well-known/jwks.json",
    "GET /.well-known/openid-configuration",
    "GET /api/v2/openapi.json",
    "POST /events",
    "POST /oauth/token",
];

/// A request as `METHOD /path`, and its scope.
type Request = (String, Option<String>);

fn in_openapi() -> BTreeSet<Request> {
    let document = openapi();
    let mut requests = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if !operation["responses"].is_object() {
                continue;
            }
            let scope = operation["security"][0].as_object().and_then(|it| it.values().next());
            let scope =
                scope.map(|it| it[0].as_str().expect("an operation with a token has a scope").to_owned());
            requests.insert((format!("{} {path}", method.to_uppercase()), scope));
        }
    }
    requests.retain(|(request, _)| !IN_PROSE.contains(&request.as_str()));
    requests
}

/// Paths of the management API may be written without what all of them begin with.
fn full(request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    let is_full = ["/api/v2/", "/livez", "/readyz", "/metrics"].iter().any(|it| path.starts_with(it));
    if is_full { request.to_owned() } else { format!("{method} /api/v2{path}") }
}

#[test]
fn every_request_is_documented_with_its_scope() {
    let mut documented = BTreeSet::new();
    for table in PAGES.iter().flat_map(|page| tables_of(page, "request")) {
        let scopes = table.columns.iter().position(|it| it == "scope");
        for row in &table.rows {
            let scope = scopes.map(|at| row[at].trim_matches('`').to_owned());
            let requests = code_spans(&row[0]).into_iter().filter(|it| it.contains(" /"));
            documented.extend(requests.map(|request| (full(request), scope.clone())));
        }
    }
    assert_same("the pages with tables of requests", &documented, &in_openapi());
}
