//! Every route × every kind of token: what the table says is what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use logoutd::clock::ManualClock;
use logoutd::domain::access::Scope;
use logoutd::http::{Route, management_routes, server_routes};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::{Made, made, request, tokens};
use crate::support::app::{Setup, TestApp};
use crate::support::{TOKEN, eventually};

/// Which scope each route takes: `server.listen`, from the contract's tables, by hand.
const SERVER: &[(&str, &str, &str)] = &[("POST", "/events", "create:events")];

/// The same of `management.listen`.
const MANAGEMENT: &[(&str, &str, &str)] = &[
    ("POST", "/events", "create:events"),
    ("GET", "/api/v2/sessions/{id}", "read:sessions"),
    ("PATCH", "/api/v2/sessions/{id}", "update:sessions"),
    ("DELETE", "/api/v2/sessions/{id}", "delete:sessions"),
    ("POST", "/api/v2/sessions/{id}/revoke", "delete:sessions"),
    ("GET", "/api/v2/users/{id}/sessions", "read:sessions"),
    ("DELETE", "/api/v2/users/{id}/sessions", "delete:sessions"),
    ("POST", "/api/v2/users/{id}/revoke-access", "delete:sessions"),
    ("GET", "/api/v2/clients", "read:clients"),
    ("POST", "/api/v2/clients", "create:clients"),
    ("GET", "/api/v2/clients/{id}", "read:clients"),
    ("PATCH", "/api/v2/clients/{id}", "update:clients"),
    ("DELETE", "/api/v2/clients/{id}", "delete:clients"),
    ("POST", "/api/v2/clients/{id}/test", "update:clients"),
    ("GET", "/api/v2/deliveries", "read:deliveries"),
    ("GET", "/api/v2/deliveries/{id}", "read:deliveries"),
    ("POST", "/api/v2/deliveries/{id}/redeliver", "update:deliveries"),
    ("POST", "/api/v2/deliveries/redeliver", "update:deliveries"),
    ("GET", "/api/v2/jobs/{id}", "read:deliveries"),
    ("GET", "/api/v2/breakers", "read:deliveries"),
    ("GET", "/api/v2/keys/signing", "read:signing_keys"),
    ("GET", "/api/v2/keys/signing/{kid}", "read:signing_keys"),
    ("POST", "/api/v2/keys/signing/rotate", "update:signing_keys"),
    ("PUT", "/api/v2/keys/signing/{kid}/revoke", "update:signing_keys"),
    ("GET", "/api/v2/logs", "read:logs"),
    ("GET", "/api/v2/logs/{id}", "read:logs"),
];

/// Every scope there is, by hand.
const SCOPES: &[&str] = &[
    "create:events",
    "read:sessions",
    "update:sessions",
    "delete:sessions",
    "read:clients",
    "create:clients",
    "update:clients",
    "delete:clients",
    "read:deliveries",
    "update:deliveries",
    "read:signing_keys",
    "update:signing_keys",
    "read:logs",
];

/// The routes that take no token, and no others.
const OPEN: &[&str] = &[
    "/.well-known/openid-configuration",
    "/.well-known/jwks.json",
    "/livez",
    "/readyz",
    "/metrics",
    "/oauth/token",
    "/api/v2/openapi.json",
];

fn routes(app: &TestApp) -> Vec<(String, Route)> {
    let of = |base: &String, routes: Vec<Route>| {
        let base = base.clone();
        routes.into_iter().map(move |route| (base.clone(), route)).collect::<Vec<_>>()
    };
    [of(&app.server, server_routes()), of(&app.management, management_routes())].concat()
}

async fn ask(app: &TestApp, base: &str, route: &Route, token: Option<&str>) -> Response {
    // What is made of a path's parameters is the handler's, which comes later.
    let path = route.path.replace(['{', '}'], "");
    request(app, base, &route.method, &path, token).send().await.unwrap()
}

/// Checks that it was refused with this status, code, message and challenge.
async fn assert_refused(response: Response, route: &Route, status: u16, code: &str, message: &str) {
    let context = format!("{} {} {code}", route.method, route.path);
    assert_eq!(response.status().as_u16(), status, "{context}");
    let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["errorCode"], code, "{context}");
    assert_eq!(answer["message"], message, "{context}");
    let scope = route.scope.unwrap();
    let expected = match code {
        "missing_token" => "Bearer realm=\"logoutd\"".to_owned(),
        "insufficient_scope" => {
            format!("Bearer realm=\"logoutd\", error=\"insufficient_scope\", scope=\"{scope}\"")
        }
        _ => "Bearer realm=\"logoutd\", error=\"invalid_token\"".to_owned(),
    };
    assert_eq!(challenge, expected, "{context}");
}

fn passed(response: &Response) -> bool {
    ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS]
        .contains(&response.status())
}

#[test]
fn only_these_routes_take_no_token() {
    for route in [server_routes(), management_routes()].concat() {
        assert_eq!(
            route.scope.is_none(),
            OPEN.contains(&route.path.as_str()),
            "{} {}",
            route.method,
            route.path
        );
    }
}

#[test]
fn the_list_has_every_route_that_takes_a_token() {
    for (list, routes) in [(SERVER, server_routes()), (MANAGEMENT, management_routes())] {
        let listed: BTreeSet<_> =
            list.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
        assert_eq!(listed.len(), list.len(), "none is there twice");
        let served: BTreeSet<_> = routes
            .iter()
            .filter(|route| !OPEN.contains(&route.path.as_str()))
            .map(|route| (route.method.to_string(), route.path.clone()))
            .collect();
        assert_eq!(listed, served, "write down which scope a new route takes");
    }
    let scopes: BTreeSet<_> = SCOPES.iter().copied().collect();
    assert_eq!(scopes, Scope::ALL.map(Scope::as_str).into_iter().collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_takes_the_scope_of_the_list_and_none_of_the_others() {
    let setup = Setup::new().with("[access]\nfailed_attempts = \"off\"\nrate_limit = \"off\"");
    let config = setup.write();
    let tokens: BTreeMap<&str, [Made; 2]> = SCOPES
        .iter()
        .map(|scope| {
            let others: Vec<_> = SCOPES.iter().copied().filter(|it| it != scope).collect();
            (*scope, [made(&config, &[*scope], &[]), made(&config, &others, &[])])
        })
        .collect();
    let app = setup.start().await;
    let lists = [(&app.server, SERVER), (&app.management, MANAGEMENT)];
    for (base, (method, path, scope)) in
        lists.into_iter().flat_map(|(base, list)| list.iter().map(move |row| (base, row)))
    {
        let path = path.replace(['{', '}'], "");
        let [only, others] = &tokens[scope];
        let ask = async |token: &Made| {
            let method = method.parse().unwrap();
            request(&app, base, &method, &path, Some(&token.secret)).send().await.unwrap()
        };
        let context = format!("{method} {path} {scope}");
        assert!(passed(&ask(only).await), "{context} suffices");
        assert_eq!(ask(others).await.status(), StatusCode::FORBIDDEN, "{context} is necessary");
    }
    app.stop().await;
}

// The shell is waited for: the service goes on in other threads meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_takes_its_scope_and_no_other_token() {
    let clock = Arc::new(ManualClock::new("2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap()));
    let setup = Setup::new().with("[access]\nfailed_attempts = \"off\"\nrate_limit = \"off\"");
    let config = setup.folder.path().join("config.toml");
    let app = setup.start_with(Arc::clone(&clock) as _).await;

    let all = Scope::ALL.map(Scope::as_str);
    let wanted: Vec<Scope> = routes(&app).iter().filter_map(|(_, route)| route.scope).collect();
    let tokens_for = |scope: Scope| {
        let others: Vec<_> = all.into_iter().filter(|it| *it != scope.as_str()).collect();
        (made(&config, &[scope.as_str()], &[]), made(&config, &others, &[]))
    };
    let by_scope: BTreeMap<Scope, (Made, Made)> =
        wanted.into_iter().map(|scope| (scope, tokens_for(scope))).collect();
    let revoked = made(&config, &all, &[]);
    tokens(&config, &["revoke", &revoked.id]);
    let expired = made(&config, &all, &["--expires-in", "1h"]);

    let routes = routes(&app);
    for (base, route) in &routes {
        let Some(scope) = route.scope else {
            assert!(passed(&ask(&app, base, route, None).await), "{}", route.path);
            assert!(passed(&ask(&app, base, route, Some("wrong")).await), "{}", route.path);
            continue;
        };
        let (enough, others) = &by_scope[&scope];
        for token in [TOKEN, &enough.secret, &expired.secret] {
            assert!(passed(&ask(&app, base, route, Some(token)).await), "{} {}", route.method, route.path);
        }
        let missing = ask(&app, base, route, None).await;
        let how = "An API token is required: Authorization: Bearer …";
        assert_refused(missing, route, 401, "missing_token", how).await;
        let made_up = format!("logoutd_{}", "A".repeat(43));
        for wrong in ["wrong", "a.b.c", &made_up, &enough.secret[..50]] {
            let refused = ask(&app, base, route, Some(wrong)).await;
            assert_refused(refused, route, 401, "invalid_token", "The API token is not valid").await;
        }
        let refused = ask(&app, base, route, Some(&others.secret)).await;
        let message = format!("Insufficient scope, expected any of: {scope}");
        assert_refused(refused, route, 403, "insufficient_scope", &message).await;
        let refused = ask(&app, base, route, Some(&revoked.secret)).await;
        assert_refused(refused, route, 401, "invalid_token", "The API token was revoked").await;
    }

    // The shell's clock is not the service's: the token lives for an hour from now.
    let ahead = Timestamp::now().as_second() - clock_start() + 2 * 3600;
    clock.advance(Duration::from_secs(ahead.unsigned_abs()));
    for (base, route) in routes.iter().filter(|(_, route)| route.scope.is_some()) {
        let refused = ask(&app, base, route, Some(&expired.secret)).await;
        assert_refused(refused, route, 401, "invalid_token", "The API token has expired").await;
    }
    app.stop().await;
}

fn clock_start() -> i64 {
    "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap().as_second()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_sees_what_the_shell_changes() {
    let setup = Setup::new();
    let config = setup.folder.path().join("config.toml");
    let app = setup.start().await;
    let status = async |token: &str| super::read_deliveries(&app, token).send().await.unwrap().status();

    let token = made(&config, &["read:deliveries"], &[]);
    eventually(async || (status(&token.secret).await == StatusCode::OK).then_some(())).await;
    tokens(&config, &["revoke", &token.id]);
    eventually(async || (status(&token.secret).await == StatusCode::UNAUTHORIZED).then_some(())).await;
    app.stop().await;
}
