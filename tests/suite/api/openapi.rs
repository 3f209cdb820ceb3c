//! The OpenAPI document: it says what the route table says, and what the service takes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use logoutd::http::{Route, management_routes, openapi_document, server_routes};
use serde_json::{Value, json};

use crate::support::TOKEN;
use crate::support::app::Setup;

/// Set, it has the test write the document into the repository instead of comparing it.
const UPDATE: &str = "LOGOUTD_UPDATE_OPENAPI";

/// Every operation of a document: method, path, and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().iter();
            let operations = operations.filter(|(method, _)| METHODS.contains(&method.as_str()));
            operations.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
        })
        .collect()
}

fn routes() -> BTreeMap<(String, String), Route> {
    let routes = management_routes().into_iter().chain(server_routes());
    routes.map(|route| ((route.method.to_string(), route.path.clone()), route)).collect()
}

#[test]
fn it_documents_every_route_and_nothing_else() {
    let document = openapi_document();
    let documented: BTreeSet<_> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let served: BTreeSet<_> = routes().into_keys().collect();
    let missing: Vec<_> = served.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&served).collect();
    assert!(missing.is_empty(), "annotate these handlers with #[utoipa::path], and list them: {missing:?}");
    assert!(unknown.is_empty(), "these are documented, and in no route table: {unknown:?}");
}

#[test]
fn every_operation_says_who_may_do_it_and_what_it_answers() {
    let document = openapi_document();
    let routes = routes();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let at = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(!id.is_empty() && ids.insert(id.to_owned()), "{at}: its operationId {id:?} is not its own");
        assert!(
            operation["summary"].as_str().is_some_and(|text| !text.is_empty()),
            "{at}: it has no summary"
        );
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{at}: it has no tag, or several");

        let scope = routes[&(method.clone(), path.clone())].scope;
        let security = match scope {
            Some(scope) => json!([{"apiToken": [scope.as_str()]}]),
            None => json!([]),
        };
        assert_eq!(operation["security"], security, "{at}");
        let responses = operation["responses"].as_object().unwrap();
        for status in ["401", "403", "429"] {
            // Whoever logs in has no token yet, and may be refused one.
            let logs_in = path == "/oauth/token" && status != "403";
            assert_eq!(responses.contains_key(status), scope.is_some() || logs_in, "{at}: {status}");
        }
        assert!(responses.keys().any(|status| status.starts_with('2')), "{at}: it never succeeds");

        let placeholders: BTreeSet<_> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let in_path: BTreeSet<_> =
            parameters.filter(|it| it["in"] == "path").map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(in_path, placeholders, "{at}: parameters in the path");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(value: &Value, document: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("references stay in the document");
                    assert!(document.pointer(pointer).is_some(), "{reference} is not there");
                }
                members.values().for_each(|member| check(member, document));
            }
            Value::Array(items) => items.iter().for_each(|item| check(item, document)),
            _ => {}
        }
    }
    let document = openapi_document();
    assert!(document["components"]["schemas"].as_object().unwrap().len() > 20);
    check(&document, &document);
}

#[test]
fn the_committed_document_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let document = format!("{:#}\n", openapi_document());
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == document,
        "docs/openapi.json is not what the code says; write it anew with \
         `{UPDATE}=1 cargo test --test suite openapi`, and look at the difference"
    );
}

#[tokio::test]
async fn it_is_served_without_a_token() {
    let app = Setup::new().start().await;
    let (status, served) = app.send(app.http.get(format!("{}/api/v2/openapi.json", app.management))).await;
    assert_eq!(status, 200);
    assert_eq!(served, openapi_document());
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1."), "{}", served["openapi"]);
    app.stop().await;
}

/// The service says which query parameters it knows when it is given another: they must be those documented.
#[tokio::test]
async fn query_parameters_are_those_that_the_service_knows() {
    let app = Setup::new().start().await;
    let document = openapi_document();
    let mut compared = 0;
    for (method, path, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let documented: BTreeSet<_> =
            parameters.filter(|it| it["in"] == "query").map(|it| it["name"].as_str().unwrap()).collect();
        if documented.is_empty() {
            continue;
        }
        let url = format!("{}{}?nonsense=1", app.management, path.replace("{id}", "any"));
        let request = app.http.request(method.parse().unwrap(), url).bearer_auth(TOKEN);
        let (status, answer) = app.send(request).await;
        assert_eq!(status, 400, "{method} {path}: {answer}");
        let (_, known) = answer["message"].as_str().unwrap().split_once("it takes ").unwrap();
        assert_eq!(known.split(", ").collect::<BTreeSet<_>>(), documented, "{method} {path}");
        compared += 1;
    }
    assert!(compared >= 3, "{compared} operations with query parameters were compared");
    app.stop().await;
}

/// The intake says which members of `data` it knows when it is given another.
#[tokio::test]
async fn members_of_events_are_those_that_the_service_knows() {
    let app = Setup::new().start().await;
    let document = openapi_document();
    let schemas = &document["components"]["schemas"];
    let types = schemas["Event"]["oneOf"].as_array().unwrap();
    assert_eq!(types.len(), 4);
    let resolve = |schema: &Value| document.pointer(&schema["$ref"].as_str().unwrap()[1..]).unwrap();
    for schema in types.iter().map(resolve) {
        let r#type = schema["properties"]["type"]["enum"][0].as_str().unwrap();
        let documented: BTreeSet<_> = resolve(&schema["properties"]["data"])["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        let event = crate::support::event(r#type, json!({"nonsense": 1}));
        let (status, answer) = app.report(&event).await;
        assert_eq!(status, 400, "{answer}");
        let (_, known) = answer["message"].as_str().unwrap().split_once("expected").unwrap();
        let known: BTreeSet<_> = known.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert_eq!(known, documented, "{type}");
    }
    app.stop().await;
}

/// What is no UTF-8 is an error in the shape that all errors have, whatever the handler does with ids.
#[tokio::test]
async fn ids_that_are_no_text_are_refused_as_documented() {
    let app = Setup::new().start().await;
    let document = openapi_document();
    let mut asked = 0;
    for (method, path, operation) in operations(&document) {
        let Some((before, _)) = path.split_once('{') else { continue };
        let after = path.split_once('}').unwrap().1;
        let url = format!("{}{before}%FF{after}", app.management);
        let request = app.http.request(method.parse().unwrap(), url).bearer_auth(TOKEN);
        let (status, answer) = app.send(request).await;
        assert_eq!((status.as_u16(), &answer["errorCode"]), (400, &json!("invalid_uri")), "{method} {path}");
        assert!(operation["responses"]["400"].is_object(), "{method} {path}");
        asked += 1;
    }
    assert!(asked > 10, "{asked} operations were asked");
    app.stop().await;
}
