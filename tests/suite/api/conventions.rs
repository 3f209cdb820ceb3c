//! What every resource of the management API makes of a request in the same way, whatever it is about: one table
//! over all routes.

use std::collections::BTreeSet;

use logoutd::http::{management_routes, openapi_document};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::app::{Setup, TestApp};
use crate::support::{TOKEN, event};

/// Lists that have pages.
const LISTS: [&str; 4] = ["/clients", "/deliveries", "/logs", "/users/alice/sessions"];

/// What chooses the members of its answer.
const WITH_FIELDS: [&str; 3] = ["/clients", "/clients/shop", "/logs"];

/// The routes with a scope, below `/api/v2`: method and path.
fn routes() -> Vec<(Method, String)> {
    let routes = management_routes().into_iter().filter(|route| route.scope.is_some());
    routes.filter_map(|route| Some((route.method, route.path.strip_prefix("/api/v2")?.to_owned()))).collect()
}

fn filled(path: &str, id: &str) -> String {
    path.replace("{id}", id).replace("{kid}", id)
}

async fn start() -> TestApp {
    let setup = Setup::new().with("[access]\nrate_limit = \"off\"");
    let app = setup.client("shop", "https://rp.example.com/", "").start().await;
    app.report(&event("session.created", json!({"sid": "s-1", "sub": "alice", "clients": ["shop"]}))).await;
    app
}

/// Asks as the bytes are, which `reqwest` would put right.
async fn raw(app: &TestApp, method: &Method, target: &str) -> (u16, Value) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = app.management.strip_prefix("http://").unwrap();
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} /api/v2{target} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[track_caller]
fn assert_bad(got: &(u16, Value), code: &str, message: &str, context: &str) {
    assert_eq!((got.0, &got.1["errorCode"]), (400, &json!(code)), "{context}: {}", got.1);
    let said = got.1["message"].as_str().unwrap();
    assert!(said.starts_with(message), "{context}: {said}");
}

#[tokio::test]
async fn a_parameter_that_a_resource_does_not_know_is_an_error_everywhere() {
    let app = start().await;
    for (method, path) in routes() {
        let target = format!("{}?nonsense=1", filled(&path, "x"));
        assert_bad(
            &raw(&app, &method, &target).await,
            "invalid_query_string",
            "nonsense: is no parameter of this",
            &target,
        );
        let target = format!("{}?a=1&a=1", filled(&path, "x"));
        assert_bad(
            &raw(&app, &method, &target).await,
            "invalid_query_string",
            "a: must be given once",
            &target,
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn what_is_not_percent_encoded_is_an_error_everywhere() {
    let app = start().await;
    for (method, path) in routes() {
        for bad in ["%zz", "%f", "%", "%ff", "a%C3"] {
            for query in [format!("take={bad}"), format!("{bad}=1"), bad.to_owned()] {
                let target = format!("{}?{query}", filled(&path, "x"));
                let said = "query string: must be percent-encoded UTF-8";
                assert_bad(&raw(&app, &method, &target).await, "invalid_query_string", said, &target);
            }
            if path.contains('{') {
                let target = filled(&path, bad);
                let said = "path: must be percent-encoded UTF-8";
                assert_bad(&raw(&app, &method, &target).await, "invalid_uri", said, &target);
            }
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn every_list_takes_the_same_paging() {
    let app = start().await;
    let get = async |target: String| {
        let (status, answer) = raw(&app, &Method::GET, &target).await;
        (status, answer, target)
    };
    for list in LISTS {
        for (parameter, bad, message) in [
            (
                "take",
                vec!["0", "101", "-1", "x", "", "1.5", "99999999999999999999"],
                "take: must be a whole number from 1 to 100",
            ),
            ("include_totals", vec!["yes", "1", "", "TRUE"], "include_totals: must be true or false"),
        ] {
            for value in bad {
                let (status, answer, target) = get(format!("{list}?{parameter}={value}")).await;
                assert_bad(&(status, answer), "invalid_query_string", message, &target);
            }
        }
        for good in [
            "take=1",
            "take=100",
            "include_totals=true",
            "include_totals=false",
            "take=2&include_totals=true",
        ] {
            let (status, answer, target) = get(format!("{list}?{good}")).await;
            assert_eq!(status, 200, "{target}: {answer}");
        }
        let (status, answer, target) = get(format!("{list}?from=%00")).await;
        assert_bad(&(status, answer), "invalid_query_string", "from: must", &target);

        // Beyond the last one there is nothing, and that is no error.
        let beyond = match list {
            "/clients" => "~".repeat(255),
            "/logs" => format!("9999999999999{:039}", 0),
            "/deliveries" => uuid::Uuid::nil().to_string(),
            _ => uuid::Uuid::max().to_string(),
        };
        let (status, answer, target) = get(format!("{list}?from={beyond}&take=5")).await;
        assert_eq!(status, 200, "{target}: {answer}");
        let items =
            answer.as_array().or_else(|| answer.as_object()?.values().find_map(Value::as_array)).unwrap();
        assert!(items.is_empty() && answer.get("next").is_none(), "{target}: {answer}");
    }
    for list in ["/clients", "/logs"] {
        for (parameter, bad, message) in [
            ("per_page", vec!["101", "-1", "x", ""], "per_page: must be a whole number from 0 to 100"),
            ("page", vec!["-1", "x", "", "1.5"], "page: must be a whole number from 0 to"),
        ] {
            for value in bad {
                let (status, answer, target) = get(format!("{list}?{parameter}={value}")).await;
                assert_bad(&(status, answer), "invalid_query_string", message, &target);
            }
        }
        // Totals are of pages; what goes by checkpoints has none.
        let (_, page, _) = get(format!("{list}?include_totals=true&per_page=1&page=0")).await;
        for member in ["start", "limit", "length", "total"] {
            assert!(page[member].is_u64(), "{list}: {member}: {page}");
        }
        let (_, answer, target) = get(format!("{list}?include_totals=true&take=1")).await;
        assert!(answer.get("total").is_none(), "{target}: {answer}");
        let (_, answer, target) = get(format!("{list}?page=900&per_page=1")).await;
        assert_eq!(answer, json!([]), "{target}");
    }
    app.stop().await;
}

#[tokio::test]
async fn fields_are_names_that_there_are_wherever_they_can_be_chosen() {
    let app = start().await;
    for (method, path) in routes() {
        let path = filled(&path, "shop");
        let chooses = method == Method::GET && WITH_FIELDS.contains(&path.as_str());
        for (query, message) in [
            ("fields=nonsense", "fields: `nonsense` is no member of the answer; use "),
            ("fields=client_id,", "fields: `` is no member of the answer; use "),
            ("fields=", "fields: `` is no member of the answer; use "),
            ("include_fields=maybe", "include_fields: must be true or false"),
        ] {
            let target = format!("{path}?{query}");
            let name = query.split('=').next().unwrap();
            let message =
                if chooses { message.to_owned() } else { format!("{name}: is no parameter of this") };
            assert_bad(&raw(&app, &method, &target).await, "invalid_query_string", &message, &target);
        }
        if chooses {
            for query in [
                "fields=client_id,description",
                "fields=client_id&include_fields=false",
                "include_fields=true",
            ] {
                let (status, answer) = raw(&app, &method, &format!("{path}?{query}")).await;
                assert_eq!(status, 200, "{path}?{query}: {answer}");
            }
        }
    }
    app.stop().await;
}

/// A body that each route with one takes, and the path it is sent to.
fn bodies() -> Vec<(Method, &'static str, &'static str, Value)> {
    vec![
        (Method::PATCH, "/sessions/{id}", "/sessions/s-1", json!({"session_metadata": {"k": "v"}})),
        (Method::POST, "/users/{id}/revoke-access", "/users/nobody/revoke-access", json!({})),
        (Method::POST, "/clients", "/clients", json!({"id_token_signed_response_alg": "ES256"})),
        (Method::PATCH, "/clients/{id}", "/clients/made", json!({"description": "d"})),
        (Method::POST, "/deliveries/redeliver", "/deliveries/redeliver", json!({})),
        (Method::POST, "/keys/signing/rotate", "/keys/signing/rotate", json!({"alg": "ES256"})),
    ]
}

#[tokio::test]
async fn json_under_another_name_is_taken_or_refused_alike() {
    let app = start().await;
    let made = json!({"client_id": "made", "id_token_signed_response_alg": "ES256"});
    assert_eq!(app.api(Method::POST, "/clients", Some(made)).await.0, StatusCode::CREATED);
    let document = openapi_document();
    let with_body: BTreeSet<_> = routes()
        .into_iter()
        .filter(|(method, path)| {
            let operation =
                &document["paths"][format!("/api/v2{path}")][method.as_str().to_ascii_lowercase()];
            operation.get("requestBody").is_some()
        })
        .map(|(method, path)| (method.to_string(), path))
        .collect();
    let here: BTreeSet<_> =
        bodies().into_iter().map(|(method, route, ..)| (method.to_string(), route.to_owned())).collect();
    assert_eq!(here, with_body, "a route that takes a body has a row in this test");

    for (method, _, path, body) in bodies() {
        let send = async |media_type: Option<&str>, body: String| {
            let url = format!("{}/api/v2{path}", app.management);
            let mut request =
                app.http.request(method.clone(), url).bearer_auth(TOKEN).body(body).build().unwrap();
            request.headers_mut().remove(CONTENT_TYPE);
            if let Some(media_type) = media_type {
                request
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_bytes(media_type.as_bytes()).unwrap());
            }
            let response = app.http.execute(request).await.unwrap();
            (response.status().as_u16(), response.json::<Value>().await.unwrap())
        };
        for media_type in [
            Some("application/json"),
            Some("application/json; charset=utf-8"),
            Some("Application/JSON"),
            Some("text/json"),
            Some("application/vnd.x+json"),
            Some("application/merge-patch+json;v=1"),
            None,
        ] {
            let (status, answer) = send(media_type, body.to_string()).await;
            assert!((200..300).contains(&status), "{method} {path} as {media_type:?}: {status} {answer}");
        }
        for media_type in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", "", "\u{e9}"]
        {
            let (status, answer) = send(Some(media_type), body.to_string()).await;
            assert_eq!(
                (status, &answer["errorCode"]),
                (415, &json!("unsupported_media_type")),
                "{path} {media_type}"
            );
            assert!(
                answer["message"].as_str().unwrap().starts_with("Content-Type must be application/json"),
                "{answer}"
            );
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn what_has_no_body_needs_no_media_type() {
    let app = start().await;
    for (path, status) in
        [("/users/nobody/revoke-access", 202), ("/keys/signing/rotate", 201), ("/sessions/s-1/revoke", 202)]
    {
        let url = format!("{}/api/v2{path}", app.management);
        // As `curl -d ''` has it.
        let request = app.http.post(url).bearer_auth(TOKEN);
        let (got, answer) =
            app.send(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body("")).await;
        assert_eq!(got.as_u16(), status, "{path}: {answer}");
    }
    app.stop().await;
}
