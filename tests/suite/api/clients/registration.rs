//! Clients through the management API: registered, changed, tried out and removed, in both vocabularies.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::raw_rp::{RawRp, Trick};
use crate::support::validator::validate;
use crate::support::{ISSUER, ends, eventually};

async fn rp(status: u16) -> MockServer {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(status)).mount(&rp).await;
    rp
}

/// Registers a client; what it says of no algorithm, it gets the one there is a key of.
async fn register(app: &TestApp, mut body: Value) -> Value {
    if body.get("jwt_configuration").is_none() {
        body["id_token_signed_response_alg"] = json!("ES256");
    }
    let (status, client) = app.api(Method::POST, "/clients", Some(body)).await;
    assert_eq!(status, StatusCode::CREATED, "{client}");
    client
}

#[tokio::test]
async fn what_one_vocabulary_writes_the_other_reads() {
    let app = Setup::new().without_clients().start().await;
    let auth0 = register(
        &app,
        json!({
            "name": "Shop",
            "app_type": "regular_web",
            "callbacks": ["https://shop.example.com/callback"],
            "jwt_configuration": {"alg": "ES256", "lifetime_in_seconds": 3600},
            "oidc_logout": {
                "backchannel_logout_urls": ["https://shop.example.com/logout"],
                "backchannel_logout_initiators": {"mode": "custom", "selected_initiators": ["rp-logout", "session-revoked"]},
                "backchannel_logout_session_metadata": {"include": true},
            },
        }),
    )
    .await;
    let id = auth0["client_id"].as_str().unwrap();
    assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
    assert_eq!(auth0["client_name"], "Shop");
    assert_eq!(auth0["backchannel_logout_uri"], "https://shop.example.com/logout");
    assert_eq!(auth0["id_token_signed_response_alg"], "ES256");
    assert_eq!(auth0["initiators"], json!(["rp-logout", "session-revoked"]));
    assert_eq!(auth0["session_metadata"], true);
    assert_eq!(auth0["app_type"], "regular_web");
    assert_eq!(auth0["jwt_configuration"], json!({"alg": "ES256", "lifetime_in_seconds": 3600}));
    assert_eq!(auth0["origin"], "api");
    // What a change is answered with is what is read afterwards.
    let path = format!("/clients/{id}");
    assert_eq!(app.get(&path).await.1, auth0);
    let (_, renamed) = app.api(Method::PATCH, &path, Some(json!({"name": "The shop"}))).await;
    assert_eq!(app.get(&path).await.1, renamed);

    let openid = register(
        &app,
        json!({
            "client_id": "wiki",
            "client_name": "Wiki",
            "backchannel_logout_uri": "https://wiki.example.com/logout?tenant=1",
            "backchannel_logout_session_required": true,
            "initiators": "all",
            "session_metadata": ["org_id"],
            "token": {"ttl": "90s", "typ": "JWT"},
        }),
    )
    .await;
    assert_eq!(openid["name"], "Wiki");
    assert_eq!(
        openid["oidc_logout"],
        json!({
            "backchannel_logout_urls": ["https://wiki.example.com/logout?tenant=1"],
            "backchannel_logout_initiators": {"mode": "all"},
            "backchannel_logout_session_metadata": {"include": true},
        })
    );
    assert_eq!(openid["token"], json!({"ttl": "1m 30s", "typ": "JWT", "subject": "sid+sub"}));

    // To include metadata keeps a choice of keys; to leave it out drops it. What is not given stays.
    let patch = |body: Value| app.api(Method::PATCH, "/clients/wiki", Some(body));
    let include =
        |include: bool| json!({"oidc_logout": {"backchannel_logout_session_metadata": {"include": include}}});
    let (status, kept) = patch(include(true)).await;
    assert_eq!((status, &kept["session_metadata"]), (StatusCode::OK, &json!(["org_id"])));
    assert_eq!(kept["backchannel_logout_uri"], openid["backchannel_logout_uri"]);
    assert_eq!(patch(include(false)).await.1["session_metadata"], false);
    let (_, unsubscribed) = patch(json!({"oidc_backchannel_logout": null})).await;
    assert_eq!(unsubscribed.get("backchannel_logout_uri"), None);
    assert_eq!(unsubscribed["subscribed"], false);
    app.stop().await;
}

#[tokio::test]
async fn a_registered_client_is_told_and_what_waits_for_one_that_left_is_discarded() {
    let (healthy, down) = (rp(200).await, rp(503).await);
    let app = Setup::new().without_clients().with("[delivery]\nschedule = [\"1h\"]").start().await;
    register(&app, json!({"client_id": "shop", "backchannel_logout_uri": healthy.uri()})).await;
    assert_eq!(app.outcome(&ends("s-1", &["shop"]), 10).await[0].1, "delivered");

    for (sid, change) in [
        ("s-2", json!({"backchannel_logout_uri": null})),
        ("s-3", json!({"oidc_logout": {"backchannel_logout_urls": []}})),
    ] {
        let uri = json!({"backchannel_logout_uri": down.uri()});
        assert_eq!(app.api(Method::PATCH, "/clients/shop", Some(uri)).await.1["subscribed"], true);
        let event = ends(sid, &["shop"]);
        assert_eq!(app.report(&event).await.0, StatusCode::ACCEPTED);
        assert_eq!(app.api(Method::PATCH, "/clients/shop", Some(change)).await.0, StatusCode::OK);
        assert_eq!(app.outcome(&event, 10).await[0].1, "discarded", "{sid}");
    }

    // A disabled client keeps its queue, and gets it when it is enabled again.
    let disabled = json!({"enabled": false, "backchannel_logout_uri": healthy.uri()});
    assert_eq!(app.api(Method::PATCH, "/clients/shop", Some(disabled)).await.0, StatusCode::OK);
    let event = ends("s-4", &["shop"]);
    assert_eq!(app.outcome(&event, 1).await[0].1, "pending");
    assert_eq!(
        app.api(Method::PATCH, "/clients/shop", Some(json!({"enabled": true}))).await.0,
        StatusCode::OK
    );
    assert_eq!(app.outcome(&event, 10).await[0].1, "delivered");

    for _ in 0..2 {
        assert_eq!(app.api(Method::DELETE, "/clients/shop", None).await.0, StatusCode::NO_CONTENT);
        let (status, error) = app.api(Method::GET, "/clients/shop", None).await;
        assert_eq!((status, error["errorCode"].as_str()), (StatusCode::NOT_FOUND, Some("inexistent_client")));
    }
    let (status, error) = app.report(&ends("s-5", &["shop"])).await;
    assert_eq!(
        (status, error["errorCode"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("unknown_client"))
    );
    app.stop().await;
}

#[tokio::test]
async fn a_new_uri_is_used_for_what_already_waited_in_memory() {
    let hanging = RawRp::start(Trick::Hang);
    let healthy = rp(200).await;
    let app = Setup::new()
        .without_clients()
        .with("[delivery]\ntimeout = \"2s\"\nschedule = [\"100ms\"]\nmax_concurrency_per_client = 1")
        .start()
        .await;
    register(&app, json!({"client_id": "shop", "backchannel_logout_uri": healthy.uri()})).await;
    // Once it has answered, deliveries are leased ahead and wait in memory.
    assert_eq!(app.outcome(&ends("first", &["shop"]), 10).await[0].1, "delivered");
    let uri = json!({"backchannel_logout_uri": hanging.uri()});
    assert_eq!(app.api(Method::PATCH, "/clients/shop", Some(uri)).await.0, StatusCode::OK);
    let events: Vec<Value> = (0..5).map(|n| ends(&format!("s-{n}"), &["shop"])).collect();
    app.report(&json!(events)).await;
    eventually(async || (hanging.requests() == 1).then_some(())).await;

    let uri = json!({"backchannel_logout_uri": healthy.uri(), "token": {"typ": "JWT"}});
    assert_eq!(app.api(Method::PATCH, "/clients/shop", Some(uri)).await.0, StatusCode::OK);
    for event in &events {
        assert_eq!(app.outcome(event, 20).await[0].1, "delivered");
    }
    assert_eq!(hanging.requests(), 1);
    app.stop().await;
}

#[tokio::test]
async fn clients_of_the_file_are_read_only() {
    let app = Setup::new().client("shop", "https://shop.example.com/logout", "").start().await;
    let (_, client) = app.api(Method::GET, "/clients/shop", None).await;
    assert_eq!(client["origin"], "file");
    for (method, path, body) in [
        (Method::PATCH, "/clients/shop", Some(json!({"name": "x"}))),
        (Method::DELETE, "/clients/shop", None),
        (
            Method::POST,
            "/clients",
            Some(json!({"client_id": "shop", "id_token_signed_response_alg": "ES256"})),
        ),
    ] {
        let (status, error) = app.api(method.clone(), path, body).await;
        assert_eq!(status, StatusCode::CONFLICT, "{error}");
        let code = if method == Method::POST { "client_exists" } else { "client_read_only" };
        assert_eq!(error["errorCode"], code);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_bad_member_is_named_and_nothing_is_stored() {
    let app = Setup::new().without_clients().with("[egress]").start().await;
    let long = "n".repeat(256);
    for (body, message) in [
        (json!({"client_id": ""}), "client_id: must not be empty"),
        (json!({"client_id": "a", "client_name": long}), "client_name: must have 1 to 255 characters"),
        (json!({"client_id": "a", "name": "<b>"}), "name: must have 1 to 255 characters"),
        (json!({"client_id": "a", "name": "A", "client_name": "B"}), "client_name: contradicts name"),
        (
            json!({"client_id": "a", "backchannel_logout_uri": "/logout"}),
            "backchannel_logout_uri: must be an absolute URI",
        ),
        (
            json!({"client_id": "a", "backchannel_logout_uri": "https://rp.example.com/#x"}),
            "backchannel_logout_uri: must not have a fragment",
        ),
        (
            json!({"client_id": "a", "backchannel_logout_uri": "http://rp.example.com/"}),
            "backchannel_logout_uri: must be an https URI",
        ),
        (
            json!({"client_id": "a", "backchannel_logout_uri": "https://127.0.0.1/"}),
            "backchannel_logout_uri: 127.0.0.1 is",
        ),
        (
            json!({"client_id": "a", "oidc_logout": {"backchannel_logout_urls": ["https://a.example.com", "https://b.example.com"]}}),
            "oidc_logout.backchannel_logout_urls: must have at most one URL, and has 2",
        ),
        (
            json!({"client_id": "a", "oidc_logout": {"backchannel_logout_initiators": {"mode": "custom"}}}),
            "oidc_logout.backchannel_logout_initiators.selected_initiators: must name at least one",
        ),
        (
            json!({"client_id": "a", "oidc_logout": {"backchannel_logout_initiators": {"mode": "custom", "selected_initiators": ["logout"]}}}),
            "oidc_logout.backchannel_logout_initiators.selected_initiators[0]: `logout` is not an initiator",
        ),
        (json!({"client_id": "a", "oidc_logout": {"urls": []}}), "oidc_logout.urls: unknown field"),
        (json!({"client_id": "a", "id_token_signed_response_alg": "none"}), "id_token_signed_response_alg: "),
        (
            json!({"client_id": "a", "id_token_signed_response_alg": "ES384"}),
            "id_token_signed_response_alg: there is no ES384 key",
        ),
        (json!({"client_id": "a", "jwt_configuration": {"alg": "HS256"}}), "jwt_configuration.alg: "),
        (
            json!({"client_id": "a", "token": {"ttl": "1h"}}),
            "token.ttl: must be a duration of whole seconds from 1s to 10m",
        ),
        (
            json!({"client_id": "a", "token": {"subject": "sub"}, "backchannel_logout_session_required": true}),
            "token.subject: must be",
        ),
        (json!({"client_id": "a", "initiators": []}), "initiators: "),
        (
            json!({"client_id": "a", "session_metadata": ["a key"]}),
            "session_metadata: Metadata keys may only include",
        ),
        (json!({"client_id": "a", "enabled": "yes"}), "enabled: invalid type"),
        (json!({"client_id": "a", "secret": "x"}), "secret: is no member of a client that logoutd knows"),
        (
            json!({"client_id": "a", "description": "d".repeat(141)}),
            "description: must be a string of at most 140",
        ),
        (
            json!({"client_id": "a", "client_metadata": {"k": 1}}),
            "client_metadata: must be an object of strings",
        ),
        (
            json!({"client_id": "a", "callbacks": ["c".repeat(40_000)]}),
            "callbacks: all descriptive members together",
        ),
    ] {
        let (status, error) = app.api(Method::POST, "/clients", Some(body.clone())).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {error}");
        assert!(error["message"].as_str().unwrap().starts_with(message), "{body}: {error}");
        assert_eq!(error["errorCode"], "invalid_body");
    }
    assert_eq!(app.api(Method::GET, "/clients", None).await.1, json!([]));

    register(&app, json!({"client_id": "a"})).await;
    for (body, message) in [
        (json!({}), "the body must have at least one member"),
        (json!({"client_id": "b"}), "client_id: cannot be changed"),
    ] {
        let (status, error) = app.api(Method::PATCH, "/clients/a", Some(body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(error["message"].as_str().unwrap().starts_with(message), "{error}");
    }
    app.stop().await;
}

#[tokio::test]
async fn clients_are_listed_by_pages_and_by_checkpoints() {
    let app = Setup::new().without_clients().start().await;
    for n in 0..5 {
        let app_type = if n < 2 { "spa" } else { "regular_web" };
        register(
            &app,
            json!({"client_id": format!("c-{n}"), "name": format!("Client {n}"), "app_type": app_type}),
        )
        .await;
    }
    let ids = |clients: &Value| -> Vec<String> {
        clients.as_array().unwrap().iter().map(|it| it["client_id"].as_str().unwrap().to_owned()).collect()
    };
    let list = |query: &str| {
        let path = format!("/clients{query}");
        let app = &app;
        async move { app.api(Method::GET, &path, None).await.1 }
    };
    let page = list("?page=1&per_page=2&include_totals=true").await;
    assert_eq!((&page["start"], &page["limit"], &page["total"]), (&json!(2), &json!(2), &json!(5)));
    assert_eq!(ids(&page["clients"]), ["c-2", "c-3"]);
    assert_eq!(ids(&list("").await).len(), 5);
    assert_eq!(list("?page=9&per_page=50&include_totals=true").await["clients"], json!([]));
    // Checkpoints win over the pages that the SDK asks for in any case.
    let first = list("?take=3&page=0&per_page=50&include_totals=true").await;
    assert_eq!(ids(&first["clients"]), ["c-0", "c-1", "c-2"]);
    let rest = list(&format!("?take=3&from={}", first["next"].as_str().unwrap())).await;
    assert_eq!(ids(&rest["clients"]), ["c-3", "c-4"]);
    assert_eq!(rest.get("next"), None);
    assert_eq!(ids(&list("?app_type=spa,native").await), ["c-0", "c-1"]);
    assert_eq!(list("?is_global=true").await, json!([]));
    assert_eq!(
        list("?fields=client_id,name&per_page=1").await,
        json!([{"client_id": "c-0", "name": "Client 0"}])
    );
    let without = list("?fields=name,client_name&include_fields=false&per_page=1").await;
    assert_eq!((without[0].get("name"), &without[0]["client_id"]), (None, &json!("c-0")));
    for query in ["?per_page=101", "?page=-1", "?include_totals=maybe", "?unknown=1", "?fields=a;b"] {
        assert_eq!(list(query).await["errorCode"], "invalid_query_string", "{query}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_trial_sends_one_valid_token_and_tells_each_phase() {
    let (healthy, refusing) = (rp(204).await, rp(400).await);
    let app = Setup::new().without_clients().start().await;
    register(
        &app,
        json!({"client_id": "shop", "backchannel_logout_uri": healthy.uri(), "session_metadata": ["org_id"]}),
    )
    .await;
    let (status, trial) = app.api(Method::POST, "/clients/shop/test", None).await;
    assert_eq!(status, StatusCode::OK, "{trial}");
    assert_eq!(trial["state"], "delivered");
    assert_eq!(trial["attempt"]["status"], 204);
    for phase in ["sign", "connect", "answer"] {
        assert!(trial["attempt"]["phases_ms"][phase].as_f64().is_some(), "{phase}: {trial}");
    }
    let sent = healthy.received_requests().await.unwrap();
    let token = validate(&sent[0].body, ISSUER, "shop", &app.jwks().await);
    assert_eq!(trial["claims"], Value::Object(token.claims.clone()));
    assert_eq!(token.claims["session_metadata"], json!({"org_id": "test"}));
    assert_eq!(sent.len(), 1);

    register(&app, json!({"client_id": "wiki", "backchannel_logout_uri": refusing.uri()})).await;
    let (_, trial) = app.api(Method::POST, "/clients/wiki/test", None).await;
    assert_eq!((&trial["state"], &trial["attempt"]["status"]), (&json!("rejected"), &json!(400)));
    register(&app, json!({"client_id": "none"})).await;
    let (status, error) = app.api(Method::POST, "/clients/none/test", None).await;
    assert_eq!((status, error["errorCode"].as_str()), (StatusCode::CONFLICT, Some("client_not_subscribed")));
    // Nothing of it is in the queue.
    assert_eq!(app.api(Method::GET, "/deliveries", None).await.1, json!({"deliveries": []}));
    app.stop().await;
}

/// As many as fit into the descriptors that a test has: each has four.
const TRIALS: usize = 200;

#[tokio::test]
async fn trials_at_the_same_time_are_few_and_hold_up_no_delivery() {
    let hanging = RawRp::start(Trick::Hang);
    let healthy = rp(200).await;
    let mut setup = Setup::new()
        .with("[access]\nrate_limit = \"off\"")
        .with("[delivery]\ntimeout = \"60s\"\nmax_concurrency = 2\nmax_concurrency_per_client = 1")
        .client("healthy", &healthy.uri(), "");
    for n in 0..20 {
        setup = setup.client(&format!("c-{n}"), &hanging.uri(), "");
    }
    let app = Arc::new(setup.start().await);
    let mut trials = JoinSet::new();
    for n in 0..TRIALS {
        let app = Arc::clone(&app);
        // Half of them are of one client.
        let client = if n % 2 == 0 { 0 } else { n / 2 % 20 };
        trials.spawn(async move { app.api(Method::POST, &format!("/clients/c-{client}/test"), None).await });
    }
    // Those that are one too many are refused while the others are still under way.
    for _ in 0..TRIALS - 16 {
        let (status, error) = trials.join_next().await.unwrap().unwrap();
        assert_eq!(
            (status, &error["errorCode"]),
            (StatusCode::TOO_MANY_REQUESTS, &json!("too_many_requests"))
        );
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with("2 tests of this client are under way")
                || message.starts_with("16 tests of clients are under way"),
            "{message}"
        );
    }
    eventually(async || (hanging.open() == 16).then_some(())).await;
    // They take no slots: there are two, and sixteen trials.
    assert_eq!(app.outcome(&ends("s-1", &["healthy"]), 5).await[0].1, "delivered");
    assert_eq!((hanging.open(), hanging.most_open()), (16, 16));
    // Those that end leave room.
    hanging.release();
    while let Some(ended) = trials.join_next().await {
        let (status, trial) = ended.unwrap();
        assert_eq!((status, &trial["state"]), (StatusCode::OK, &json!("pending")));
    }
    let (status, trial) = app.api(Method::POST, "/clients/healthy/test", None).await;
    assert_eq!((status, &trial["state"]), (StatusCode::OK, &json!("delivered")));
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_made() {
    let app = Setup::new().without_clients().start().await;
    register(&app, json!({"client_id": "shop"})).await;
    let changes = [
        json!({"name": "Shop"}),
        json!({"enabled": false}),
        json!({"initiators": "all"}),
        json!({"session_metadata": true}),
        json!({"token": {"ttl": "1m"}}),
        json!({"backchannel_logout_uri": "https://shop.example.com/logout"}),
        json!({"client_metadata": {"a": "1"}}),
        json!({"client_metadata": {"b": "2"}}),
    ];
    let patches =
        changes.map(|change| async { app.api(Method::PATCH, "/clients/shop", Some(change)).await.0 });
    for status in futures_util::future::join_all(patches).await {
        assert_eq!(status, StatusCode::OK);
    }
    let (_, client) = app.api(Method::GET, "/clients/shop", None).await;
    assert_eq!(client["name"], "Shop");
    assert_eq!(client["enabled"], false);
    assert_eq!(client["initiators"], "all");
    assert_eq!(client["session_metadata"], true);
    assert_eq!(client["token"]["ttl"], "1m");
    assert_eq!(client["backchannel_logout_uri"], "https://shop.example.com/logout");
    assert_eq!(client["client_metadata"], json!({"a": "1", "b": "2"}));
    app.stop().await;
}
