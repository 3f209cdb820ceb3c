//! What follows from a route and not from its handler: the scope, the listeners that serve it, and the answers that any
//! request can get.

use std::iter;

use serde_json::{Map, Value, json};

use super::{distinct, is_among};
use crate::http::route::Route;

/// The name of the security scheme.
const TOKEN: &str = "apiToken";

/// A header of every answer.
const REQUEST_ID: &str = "X-Request-Id";

/// The headers of answers that count against a rate limit.
const RATE_LIMIT: [&str; 3] = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];

/// An answer that operations share.
struct Shared {
    status: u16,
    name: &'static str,
    description: &'static str,
    headers: &'static [&'static str],
    /// `errorCode` and `message` of its example.
    example: (&'static str, &'static str),
}

const BAD_REQUEST: Shared = Shared {
    status: 400,
    name: "BadRequest",
    description: "The request is not as it must be; `message` names the parameter, header or member and its limit.",
    headers: &[],
    example: ("invalid_query_string", "take: must be a whole number from 1 to 100"),
};
const UNAUTHORIZED: Shared = Shared {
    status: 401,
    name: "Unauthorized",
    description: "`missing_token`: no token was given. `invalid_token`: it is not valid, or not any more.",
    headers: &["WWW-Authenticate"],
    example: ("missing_token", "An API token is required: Authorization: Bearer …"),
};
const FORBIDDEN: Shared = Shared {
    status: 403,
    name: "Forbidden",
    description: "`insufficient_scope`: the token does not have the operation's scope.",
    headers: &["WWW-Authenticate"],
    example: ("insufficient_scope", "Insufficient scope, expected any of: read:sessions"),
};
const TOO_MANY_REQUESTS: Shared = Shared {
    status: 429,
    name: "TooManyRequests",
    description: "`too_many_requests`: the token's rate limit is reached, or too many attempts with wrong tokens came \
                  from this address. `too_many_jobs`: as many redelivery jobs as are taken are unfinished. Try again after `Retry-After`.",
    headers: &["Retry-After"],
    example: (
        "too_many_requests",
        "The rate limit of this token has been reached; try again after Retry-After",
    ),
};
const BODY_TOO_LARGE: Shared = Shared {
    status: 413,
    name: "BodyTooLarge",
    description: "`body_too_large`: the body has more than 1 MiB.",
    headers: &[],
    example: ("body_too_large", "The body must be at most 1048576 bytes long"),
};
const INTERNAL_ERROR: Shared = Shared {
    status: 500,
    name: "InternalError",
    description: "`internal_error`: a fault of logoutd; its log says which.",
    headers: &[],
    example: ("internal_error", "Something went wrong here; the log says what"),
};
const UNAVAILABLE: Shared = Shared {
    status: 503,
    name: "Unavailable",
    description: "`store_unavailable`, `keys_unavailable`, `busy`: nothing was done; try again after `Retry-After`.",
    headers: &["Retry-After"],
    example: ("store_unavailable", "The store is not available; nothing was stored, try again"),
};

const SHARED: [&Shared; 7] = [
    &BAD_REQUEST,
    &UNAUTHORIZED,
    &FORBIDDEN,
    &BODY_TOO_LARGE,
    &TOO_MANY_REQUESTS,
    &INTERNAL_ERROR,
    &UNAVAILABLE,
];

/// Adds to the document what its routes say.
pub(super) fn complete(mut document: Value, server: &[Route], management: &[Route]) -> Value {
    for route in distinct(server, management) {
        let method = route.method.as_str().to_ascii_lowercase();
        complete_operation(&mut document["paths"][&route.path][method], route);
    }
    for route in server {
        let mut servers = vec![server_listen()];
        if is_among(route, management) {
            servers.push(document["servers"][0].clone());
        }
        document["paths"][&route.path]["servers"] = servers.into();
    }
    let components = &mut document["components"];
    components["securitySchemes"] = json!({ TOKEN: {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token. Each operation says which scope it must have.",
    }});
    components["headers"] = headers();
    components["responses"] = SHARED.iter().map(|it| (it.name.to_owned(), it.response())).collect();
    document
}

fn complete_operation(operation: &mut Value, route: &Route) {
    let mut answers = vec![&INTERNAL_ERROR];
    match route.scope {
        Some(scope) => {
            operation["security"] = json!([{ TOKEN: [scope.as_str()] }]);
            let description = operation["description"].as_str().unwrap_or_default();
            let separator = if description.is_empty() { "" } else { "\n\n" };
            operation["description"] = format!("{description}{separator}Scope: `{scope}`.").into();
            answers.extend([&UNAUTHORIZED, &FORBIDDEN, &TOO_MANY_REQUESTS, &UNAVAILABLE]);
        }
        None => operation["security"] = json!([]),
    }
    if operation.get("requestBody").is_some() {
        answers.push(&BODY_TOO_LARGE);
    }
    if operation.get("requestBody").or(operation.get("parameters")).is_some() {
        answers.push(&BAD_REQUEST);
    }
    let responses = operation["responses"].as_object_mut().expect("every operation has answers");
    for answer in answers {
        // A handler's own description of an answer is more exact.
        let status = answer.status.to_string();
        responses.entry(status).or_insert_with(|| reference("responses", answer.name));
    }
    for response in responses.values_mut().filter(|response| response.get("$ref").is_none()) {
        for name in iter::once(&REQUEST_ID).chain(RATE_LIMIT.iter().filter(|_| route.is_rate_limited())) {
            response["headers"][name] = reference("headers", name);
        }
    }
}

impl Shared {
    fn response(&self) -> Value {
        let reason = axum::http::StatusCode::from_u16(self.status).ok().and_then(|it| it.canonical_reason());
        let (code, message) = self.example;
        let example =
            json!({"statusCode": self.status, "error": reason, "message": message, "errorCode": code});
        let names = iter::once(&REQUEST_ID).chain(self.headers);
        let headers: Map<_, _> = names.map(|name| ((*name).to_owned(), reference("headers", name))).collect();
        json!({
            "description": self.description,
            "headers": headers,
            "content": {"application/json": {"schema": reference("schemas", "Error"), "example": example}},
        })
    }
}

fn headers() -> Value {
    json!({
        REQUEST_ID: {
            "description": "The request's own `X-Request-Id`, or else one made up here. It is in the log.",
            "required": true,
            "schema": {"type": "string"},
        },
        "Retry-After": {
            "description": "After how many seconds to try again.",
            "required": true,
            "schema": {"type": "integer", "minimum": 0},
        },
        "X-RateLimit-Limit": {
            "description": "How many requests the caller may make at once; left out where there is no limit.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "X-RateLimit-Remaining": {
            "description": "How many the caller may make now.",
            "schema": {"type": "integer", "minimum": 0},
        },
        "X-RateLimit-Reset": {
            "description": "The Unix second when there is more room.",
            "schema": {"type": "integer", "minimum": 0},
        },
        "WWW-Authenticate": {
            "description": "The challenge of RFC 6750.",
            "required": true,
            "schema": {"type": "string"},
            "example": "Bearer realm=\"logoutd\", error=\"invalid_token\"",
        },
    })
}

/// The listener for sources and relying parties.
fn server_listen() -> Value {
    json!({
        "url": "http://{host}",
        "description": "server.listen: for sources and relying parties",
        "variables": {"host": {"default": "127.0.0.1:8080"}},
    })
}

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}
