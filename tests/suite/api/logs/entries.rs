//! The audit trail: what was changed and what deliveries came to, over the management API.

use std::sync::Arc;
use std::time::Duration;

use logoutd::clock::{Clock, ManualClock, SystemClock};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::access::made_as;
use crate::support::app::{Setup, TestApp};
use crate::support::process::logoutd;
use crate::support::raw_rp::{RawRp, Trick};
use crate::support::{TOKEN, ends, event, eventually};

const LOGS: &str = "/api/v2/logs";
const SUCCEEDED: &str = "oidc_backchannel_logout_succeeded";
const FAILED: &str = "oidc_backchannel_logout_failed";

async fn call(app: &TestApp, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
    let request = app.http.request(method, format!("{}{path}", app.management)).bearer_auth(TOKEN);
    app.send(request.header("user-agent", "a test").body(body.to_owned())).await
}

async fn logs(app: &TestApp, query: &str) -> Vec<Value> {
    let (status, logs) = call(app, Method::GET, &format!("{LOGS}?{query}"), "").await;
    assert_eq!(status, StatusCode::OK, "{query}: {logs}");
    logs.as_array().unwrap_or_else(|| panic!("no bare array: {logs}")).clone()
}

/// A page from a checkpoint on, and the query of the next.
async fn checkpoint(app: &TestApp, query: &str) -> (Vec<Value>, String) {
    let request = app.http.get(format!("{}{LOGS}?{query}", app.management)).bearer_auth(TOKEN);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let link = response.headers()["link"].to_str().unwrap().to_owned();
    let next = link.strip_prefix("</api/v2/logs?").and_then(|it| it.strip_suffix(">; rel=\"next\"")).unwrap();
    (response.json().await.unwrap(), next.to_owned())
}

fn texts(entries: &[Value], member: &str) -> Vec<String> {
    entries.iter().map(|entry| entry[member].as_str().unwrap().to_owned()).collect()
}

async fn answering(status: u16) -> MockServer {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(status)).mount(&rp).await;
    rp
}

fn uri(rp: &MockServer) -> String {
    format!("{}/logout?tenant=1", rp.uri())
}

/// A clock that stands still until it is moved.
fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(SystemClock.now()))
}

#[tokio::test]
async fn changes_are_written_down_with_who_made_them() {
    let app = Setup::new().start().await;
    let (_, key) = call(&app, Method::POST, "/api/v2/keys/signing/rotate", "").await;
    let kid = key["kid"].as_str().unwrap();
    call(&app, Method::PUT, &format!("/api/v2/keys/signing/{kid}/revoke"), "").await;
    let secret = r#"{"alg": "a-secret-that-is-nowhere"}"#;
    call(&app, Method::POST, "/api/v2/keys/signing/rotate", secret).await;
    // None of these changes anything, or says who would have.
    call(&app, Method::PUT, "/api/v2/keys/signing/nobody/revoke", "").await;
    call(&app, Method::GET, "/api/v2/keys/signing", "").await;
    let stranger = app.http.post(format!("{}/api/v2/keys/signing/rotate", app.management));
    assert_eq!(app.send(stranger.bearer_auth("wrong")).await.0, StatusCode::UNAUTHORIZED);

    let entries = logs(&app, "").await;
    assert_eq!(texts(&entries, "type"), ["fapi", "sapi", "sapi"], "newest first: {entries:?}");
    let rotate = "Rotate the signing keys";
    assert_eq!(texts(&entries, "description"), [rotate, "Revoke a signing key", rotate]);
    let [refused, revoked, rotated] = &entries[..] else { panic!() };
    assert_eq!(rotated["details"]["affected"], json!([kid]));
    assert_eq!(rotated["details"]["response"], json!({"statusCode": 201}));
    let request = &rotated["details"]["request"];
    assert_eq!((&request["method"], &request["channel"]), (&json!("POST"), &json!("api")));
    assert_eq!(request["path"], "/api/v2/keys/signing/rotate");
    assert_eq!(request["auth"], json!({"kind": "bootstrap_token"}));
    assert!(request["id"].is_string());
    assert_eq!((&rotated["user_agent"], &rotated["ip"]), (&json!("a test"), &json!("127.0.0.1")));
    assert_eq!(revoked["details"]["request"]["path"], format!("/api/v2/keys/signing/{kid}/revoke"));
    assert_eq!(refused["details"]["response"], json!({"statusCode": 400, "errorCode": "invalid_body"}));
    for entry in &entries {
        assert!(!entry.to_string().contains("secret-that"), "{entry}");
        assert!(!entry.to_string().contains(TOKEN), "{entry}");
        let path = format!("{LOGS}/{}", entry["log_id"].as_str().unwrap());
        assert_eq!(call(&app, Method::GET, &path, "").await, (StatusCode::OK, entry.clone()));
        assert_eq!(entry["_id"], entry["log_id"]);
    }
    // It outlives the process.
    let app = app.stop().await.start().await;
    assert_eq!(logs(&app, "").await, entries);
    app.stop().await;
}

#[tokio::test]
async fn whoever_has_a_token_is_named_also_when_it_does_not_suffice() {
    let app = Setup::new().start().await;
    let config = app.setup.write();
    let tokens = |arguments: &[&str]| -> Value {
        let output = logoutd().arg("tokens").args(arguments).arg("--config").arg(&config).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let token = tokens(&["create", "--json", "--name", "ci", "--scope", "read:logs", "update:signing_keys"]);
    let secret = token["token"].as_str().unwrap();
    for (method, path, status) in
        [(Method::POST, "/api/v2/keys/signing/rotate", 201), (Method::DELETE, "/api/v2/clients/shop", 403)]
    {
        let request = app.http.request(method, format!("{}{path}", app.management)).bearer_auth(secret);
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    let id = token["id"].as_str().unwrap();
    tokens(&["revoke", "--json", id]);

    let entries = logs(&app, "sort=date:1").await;
    assert_eq!(texts(&entries, "type"), ["sapi", "sapi", "fapi", "sapi"]);
    let [created, rotated, refused, revoked] = &entries[..] else { panic!() };
    for (entry, command) in [(created, "tokens create"), (revoked, "tokens revoke")] {
        assert_eq!(entry["details"]["request"], json!({"channel": "cli", "command": command}));
        assert_eq!(entry["details"]["affected"], json!([id]));
    }
    for entry in [rotated, refused] {
        let expected = json!({"kind": "api_token", "id": id, "name": "ci"});
        assert_eq!(entry["details"]["request"]["auth"], expected);
    }
    assert_eq!(refused["client_id"], "shop");
    let expected = json!({"statusCode": 403, "errorCode": "insufficient_scope"});
    assert_eq!(refused["details"]["response"], expected);
    assert!(!json!(entries).to_string().contains(secret));
    app.stop().await;
}

#[tokio::test]
async fn changes_name_clients_and_members_and_never_users_or_values() {
    let rp = answering(200).await;
    let app = Setup::new().client("shop", &uri(&rp), "initiators = \"all\"").start().await;
    let created = json!({"sid": "s-1", "sub": "auth0|alice-in-person", "clients": ["shop"]});
    app.report(&event("session.created", created)).await;
    for (method, path, body, status) in [
        (
            Method::POST,
            "/clients",
            json!({"client_id": "a wiki", "client_name": "secret-value", "id_token_signed_response_alg": "ES256"}),
            201,
        ),
        (Method::PATCH, "/clients/a%20wiki", json!({"description": "secret-value", "enabled": false}), 200),
        (Method::PATCH, "/clients/shop", json!({"client_name": "secret-value"}), 409),
        (Method::DELETE, "/clients/a%20wiki", json!(null), 204),
        (Method::PATCH, "/sessions/s-1", json!({"session_metadata": {"org_id": "secret-value"}}), 200),
        (Method::DELETE, "/users/auth0%7Calice-in-person/sessions", json!(null), 202),
    ] {
        let url = format!("{}/api/v2{path}", app.management);
        let request = app.http.request(method, url).bearer_auth(TOKEN).body(body.to_string());
        assert_eq!(request.send().await.unwrap().status(), status, "{path}");
    }
    let entries = logs(&app, "type=sapi,fapi&sort=date:1").await;
    let shown: Vec<_> = entries
        .iter()
        .map(|entry| {
            let details = &entry["details"];
            let path = details["request"]["path"].as_str().unwrap();
            (&entry["description"], &entry["client_id"], path, &details["changed"])
        })
        .collect();
    let (wiki, none) = (json!("a wiki"), Value::Null);
    assert_eq!(
        shown,
        [
            (&json!("Create a client"), &wiki, "/api/v2/clients", &none),
            (
                &json!("Update a client"),
                &wiki,
                "/api/v2/clients/a%20wiki",
                &json!(["description", "enabled"])
            ),
            (&json!("Update a client"), &json!("shop"), "/api/v2/clients/shop", &none),
            (&json!("Delete a client"), &wiki, "/api/v2/clients/a%20wiki", &none),
            (&json!("Update a session"), &none, "/api/v2/sessions/s-1", &json!(["session_metadata"])),
            (&json!("Delete a user's sessions"), &none, "/api/v2/users/{id}/sessions", &none),
        ]
    );
    assert_eq!(entries[2]["type"], "fapi");
    assert_eq!(entries[2]["details"]["response"]["statusCode"], 409);
    assert_eq!(texts(&logs(&app, "q=client_id:%22a%20wiki%22").await, "client_id").len(), 3);
    eventually(async || (logs(&app, "type=sslo").await.len() == 1).then_some(())).await;
    for entry in logs(&app, "").await {
        assert!(!entry.to_string().contains("secret-value"), "{entry}");
        assert!(!entry.to_string().contains("alice-in-person"), "{entry}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_change_is_written_down_even_if_whoever_asked_hangs_up() {
    let app = Setup::new().start().await;
    let address = app.management.strip_prefix("http://").unwrap();
    // It takes a while to make an RSA key.
    let body = r#"{"alg": "RS256"}"#;
    let request = format!(
        "POST /api/v2/keys/signing/rotate HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(connection);
    let entry = eventually(async || logs(&app, "").await.pop()).await;
    assert_eq!((&entry["type"], &entry["description"]), (&json!("sapi"), &json!("Rotate the signing keys")));
    app.stop().await;
}

#[tokio::test]
async fn what_deliveries_came_to_is_there_without_what_is_personal() {
    let (taking, refusing, hanging) = (answering(204).await, answering(400).await, RawRp::start(Trick::Hang));
    let app = Setup::new()
        .with("[delivery]\nschedule = [\"100ms\"]\ntimeout = \"200ms\"\nmax_age = \"1s\"")
        .client("taking", &uri(&taking), "client_name = \"Shop\"\nsession_metadata = true")
        .client("refusing", &uri(&refusing), "")
        .client("hanging", &hanging.uri(), "")
        .client("silent", &uri(&taking), "enabled = false")
        .start()
        .await;
    let created = json!({
        "sid": "s-1", "sub": "alice-in-person", "clients": ["taking", "refusing", "hanging", "silent"],
        "session_metadata": {"org_id": "org-value"},
    });
    app.report(&event("session.created", created)).await;
    let ended = json!({"sid": "s-1", "initiator": "idp-logout"});
    app.outcome(&event("session.terminated", ended), 30).await;

    let entries = logs(&app, "").await;
    // A delivery that nobody was to be asked about is no outcome.
    let mut clients = texts(&entries, "client_id");
    clients.sort();
    assert_eq!(clients, ["hanging", "refusing", "taking"]);
    let of = |client: &str| entries.iter().find(|entry| entry["client_id"] == client).unwrap();
    for (client, log_type, posted_to, response, state) in [
        ("taking", SUCCEEDED, uri(&taking), json!({"statusCode": 204}), "delivered"),
        ("refusing", FAILED, uri(&refusing), json!({"statusCode": 400}), "rejected"),
        ("hanging", FAILED, hanging.uri(), json!({}), "exhausted"),
    ] {
        let (entry, details) = (of(client), &of(client)["details"]);
        assert_eq!(entry["type"], log_type);
        assert_eq!(details["request"], json!({"method": "POST", "backchannel_logout_uri": posted_to}));
        assert_eq!(details["response"], response);
        assert_eq!((&details["initiator"], &details["state"]), (&json!("idp-logout"), &json!(state)));
        assert_eq!(details["session_id"], "s-1");
        assert!(details["attempts"].as_u64().unwrap() >= 1);
        assert!(!entry.to_string().contains("alice-in-person"), "{entry}");
        assert!(!entry.to_string().contains("org-value"), "{entry}");
        let path = format!("/api/v2/deliveries/{}", details["delivery_id"].as_str().unwrap());
        let (status, delivery) = call(&app, Method::GET, &path, "").await;
        assert_eq!((status, &delivery["attempts"][0]["uri"]), (StatusCode::OK, &json!(posted_to)));
        assert_eq!(delivery["settled_at"], entry["date"]);
        let path = format!("{LOGS}/{}", entry["log_id"].as_str().unwrap());
        assert_eq!(call(&app, Method::GET, &path, "").await, (StatusCode::OK, entry.clone()));
    }
    assert_eq!(of("taking")["client_name"], "Shop");
    assert_eq!(of("taking")["description"], "Successful OIDC Back-Channel Logout request");
    assert_eq!(of("hanging")["description"], "Failed OIDC Back-Channel Logout request");
    assert_eq!(of("hanging")["details"]["errors"], json!(["timeout"]));
    assert!(of("taking")["details"].get("errors").is_none());

    let types = |query: &'static str| {
        let app = &app;
        async move { texts(&logs(app, query).await, "client_id") }
    };
    assert_eq!(types("type=sslo").await, ["taking"]);
    assert_eq!(types("type=fslo&sort=date:1").await.len(), 2);
    assert_eq!(types("type=sslo,fslo&client_id=refusing").await, ["refusing"]);
    assert_eq!(types("q=type:fslo%20AND%20client_id:%22hanging%22").await, ["hanging"]);
    assert_eq!(types("q=type:(sslo%20OR%20fslo)%20AND%20date:[2026-01-01%20TO%20*]").await.len(), 3);
    assert!(types("q=date:[*%20TO%202000-01-01]").await.is_empty());
    assert!(types("q=type:slo").await.is_empty());
    let by_id = format!("q=log_id:{}", of("taking")["log_id"].as_str().unwrap());
    assert_eq!(texts(&logs(&app, &by_id).await, "client_id"), ["taking"]);
    app.stop().await;
}

#[tokio::test]
async fn a_redelivery_leaves_the_earlier_outcome_where_it_was() {
    let rp = answering(400).await;
    let app = Setup::new().client("shop", &uri(&rp), "").start().await;
    app.outcome(&ends("s-1", &["shop"]), 10).await;
    let first = logs(&app, "type=fslo").await.remove(0);
    let id = first["details"]["delivery_id"].as_str().unwrap().to_owned();

    rp.reset().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let settled = |path: String, body: &'static str| {
        let (app, id) = (&app, &id);
        async move {
            let (status, _) = call(app, Method::POST, &path, body).await;
            assert_eq!(status, StatusCode::ACCEPTED);
            eventually(async || {
                let outcomes = logs(app, "type=sslo").await;
                outcomes.into_iter().find(|it| it["details"]["delivery_id"] == **id)
            })
            .await
        }
    };
    let second = settled(format!("/api/v2/deliveries/{id}/redeliver"), "").await;
    assert_eq!((&second["type"], &second["details"]["attempts"]), (&json!(SUCCEEDED), &json!(2)));
    assert_ne!(second["log_id"], first["log_id"]);
    assert_eq!(logs(&app, "type=fslo").await, std::slice::from_ref(&first));

    // By filter too; and a second time.
    settled("/api/v2/deliveries/redeliver".to_owned(), r#"{"state": "delivered"}"#).await;
    eventually(async || (logs(&app, "type=sslo").await.len() == 2).then_some(())).await;
    let all = logs(&app, "type=sslo,fslo&sort=date:1").await;
    assert_eq!(all[..2], [first.clone(), second]);
    assert_eq!(texts(&all, "type"), [FAILED, SUCCEEDED, SUCCEEDED]);
    let (_, counted) =
        call(&app, Method::GET, &format!("{LOGS}?type=sslo,fslo&include_totals=true"), "").await;
    assert_eq!(counted["total"], 3);

    let said = texts(&logs(&app, "type=sapi").await, "description");
    assert_eq!(said, ["Redeliver deliveries", "Redeliver a delivery"]);
    app.stop().await;
}

#[tokio::test]
async fn checkpoints_show_every_entry_once_and_only_when_none_can_come_before_it() {
    let rp = answering(200).await;
    let clock = clock();
    let app = Setup::new().client("shop", &uri(&rp), "").start_with(clock.clone()).await;
    for n in 0..5 {
        app.outcome(&ends(&format!("s-{n}"), &["shop"]), 10).await;
        call(&app, Method::POST, "/api/v2/keys/signing/rotate", "").await;
        if n % 2 == 0 {
            clock.advance(Duration::from_millis(1));
        }
    }
    assert_eq!(logs(&app, "").await.len(), 10);
    // They are too young.
    let (entries, next) = checkpoint(&app, "take=4").await;
    assert!(entries.is_empty());
    assert_eq!(next, format!("from={}&take=4", "0".repeat(52)));

    clock.advance(Duration::from_secs(3));
    // What Auth0's SDK always sends is no obstacle.
    let (mut seen, mut query) = (Vec::new(), "take=4&page=7&per_page=50&include_totals=true".to_owned());
    loop {
        let (entries, next) = checkpoint(&app, &query).await;
        if entries.is_empty() {
            assert_eq!(next, query, "an empty page changes nothing");
            break;
        }
        assert!(entries.len() <= 4);
        query = next;
        seen.extend(entries);
    }
    let mut ids = texts(&seen, "log_id");
    assert_eq!(ids.len(), 10);
    assert!(
        ids.is_sorted() && ids.iter().all(|id| id.len() == 52 && id.bytes().all(|it| it.is_ascii_digit()))
    );
    ids.dedup();
    assert_eq!(ids.len(), 10);

    // What comes later comes later, a redelivered delivery's old outcome included.
    let (_, page) = call(&app, Method::GET, "/api/v2/deliveries?take=1", "").await;
    let path = format!("/api/v2/deliveries/{}/redeliver", page["deliveries"][0]["id"].as_str().unwrap());
    call(&app, Method::POST, &path, "").await;
    eventually(async || (logs(&app, "").await.len() == 12).then_some(())).await;
    clock.advance(Duration::from_secs(3));
    let (entries, _) = checkpoint(&app, &query).await;
    let mut types = texts(&entries, "type");
    types.sort();
    assert_eq!(types, [SUCCEEDED, "sapi"]);
    let (again, _) = checkpoint(&app, "take=10").await;
    assert_eq!(again, seen);

    // Filters go on in the link.
    let (entries, next) =
        checkpoint(&app, "take=3&type=sapi&client_id=none&fields=type&q=date:[*%20TO%20*]").await;
    assert!(entries.is_empty());
    assert!(next.ends_with("&take=3&q=date%3A%5B*+TO+*%5D&type=sapi&client_id=none&fields=type"), "{next}");
    app.stop().await;
}

#[tokio::test]
async fn pages_are_auth0s() {
    let app = Setup::new().start().await;
    for _ in 0..7 {
        call(&app, Method::POST, "/api/v2/keys/signing/rotate", "").await;
    }
    let newest = logs(&app, "").await;
    let mut oldest = logs(&app, "sort=date:1").await;
    oldest.reverse();
    assert_eq!(newest, oldest);
    let (_, page) =
        call(&app, Method::GET, &format!("{LOGS}?page=2&per_page=3&include_totals=true"), "").await;
    for (member, expected) in [("start", 6), ("limit", 3), ("length", 1), ("total", 7)] {
        assert_eq!(page[member], expected, "{member}");
    }
    assert_eq!(page["logs"], json!([newest[6]]));
    assert_eq!(logs(&app, "page=1&per_page=3").await, newest[3..6]);
    // Past the end is an empty page.
    assert!(logs(&app, "page=3&per_page=3").await.is_empty());
    assert!(logs(&app, "per_page=0").await.is_empty());

    let members = |entry: &Value| entry.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&logs(&app, "fields=type,date").await[0]), ["_id", "date", "log_id", "type"]);
    let without = members(&logs(&app, "fields=type,log_id,details&include_fields=false").await[0]);
    assert_eq!(without, ["_id", "date", "description", "ip", "user_agent"]);
    app.stop().await;
}

#[tokio::test]
async fn bad_queries_say_what_is_wrong() {
    let app = Setup::new().start().await;
    for (query, code, message) in [
        ("page=20", "invalid_paging", "Requesting page 20 exceeds the allowed maximum of 1000 records."),
        ("page=4294967295&per_page=100", "invalid_paging", "Requesting page 4294967295"),
        ("per_page=101", "invalid_query_string", "per_page: must be a whole number from 0 to 100"),
        ("take=0", "invalid_query_string", "take: must be a whole number from 1 to 100"),
        ("take=5&sort=date:-1", "invalid_query_string", "sort: must be date:1, or left out"),
        ("from=7", "invalid_query_string", "from: must be the log_id of an entry: 52 digits"),
        ("sort=type:1", "invalid_query_string", "sort: must be date:1"),
        ("include_totals=yes", "invalid_query_string", "include_totals: must be true or false"),
        ("type=slo", "invalid_query_string", "type: must be a list of sapi, fapi, oidc_backchannel"),
        ("client_id=", "invalid_query_string", "client_id: must not be empty"),
        (
            "fields=type,nonsense",
            "invalid_query_string",
            "fields: `nonsense` is no member of the answer; use _id, ",
        ),
        ("q=a:hello", "invalid_query_string", "q: `a` is no field of an entry; use type, client_id"),
        ("find=type:sslo", "invalid_query_string", "find: is no parameter of this resource; it takes q"),
    ] {
        let (status, answer) = call(&app, Method::GET, &format!("{LOGS}?{query}"), "").await;
        assert_eq!((status.as_u16(), &answer["errorCode"]), (400, &json!(code)), "{query} {answer}");
        assert!(answer["message"].as_str().unwrap().starts_with(message), "{query} {answer}");
    }
    for id in ["7", &"9".repeat(52), &"0".repeat(52)] {
        let (status, answer) = call(&app, Method::GET, &format!("{LOGS}/{id}"), "").await;
        assert_eq!((status, &answer["errorCode"]), (StatusCode::NOT_FOUND, &json!("inexistent_resource")));
    }
    app.stop().await;
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_swept() {
    let rp = answering(400).await;
    let clock = clock();
    let app = Setup::new().client("shop", &uri(&rp), "").start_with(clock.clone()).await;
    app.outcome(&ends("s-1", &["shop"]), 10).await;
    clock.advance(Duration::from_secs(1));
    call(&app, Method::POST, "/api/v2/deliveries/redeliver", "{}").await;
    eventually(async || (logs(&app, "type=fslo").await.len() == 2).then_some(())).await;
    let setup = app.stop().await;
    clock.advance(Duration::from_hours(31 * 24));
    let app = setup.start_with(clock).await;
    eventually(async || logs(&app, "").await.is_empty().then_some(())).await;
    app.stop().await;
}

#[tokio::test]
async fn what_is_refused_again_and_again_is_counted() {
    let setup = Setup::new();
    let config = setup.write();
    let app = setup.start().await;
    let secret = made_as(&config, "ci", &["read:logs"], &[]).secret;
    let refused = async |number: u32| {
        let path = format!("{}/api/v2/clients/client-{number}", app.management);
        let status = app.http.delete(path).bearer_auth(&secret).send().await.unwrap().status();
        assert_eq!(status, StatusCode::FORBIDDEN);
    };
    for number in 0..50 {
        refused(number).await;
    }
    // What is made is written down each time, and what fails for another reason as well.
    for _ in 0..2 {
        call(&app, Method::DELETE, "/api/v2/clients/nobody", "").await;
        call(&app, Method::POST, "/api/v2/clients", "no JSON").await;
    }
    let entries = logs(&app, "type=fapi&sort=date:1").await;
    assert_eq!(entries.len(), 2, "{entries:#?}");
    assert_eq!(entries[0]["details"]["request"]["path"], "/api/v2/clients/client-0", "the first, at once");
    assert_eq!(entries[0]["details"].get("count"), None);
    assert_eq!(logs(&app, "type=sapi&q=date:[2000-01-01 TO *]").await.len(), 3, "two, and the token's");

    // The others when the minute is over, or the service ends.
    let app = app.stop().await.start().await;
    let entries = logs(&app, "type=fapi&sort=date:1").await;
    assert_eq!(entries.len(), 4, "{entries:#?}");
    let counted: Vec<_> = entries[2..].iter().map(|entry| &entry["details"]).collect();
    let of =
        |status: u16| *counted.iter().find(|details| details["response"]["statusCode"] == status).unwrap();
    assert_eq!((&of(403)["count"], &of(400)["count"]), (&json!(49), &json!(1)));
    assert_eq!(of(403)["request"]["path"], "/api/v2/clients/client-49");
    assert_eq!(of(403)["request"]["auth"]["name"], "ci");
    app.stop().await;
}
