//! Pairwise subjects: each relying party is told the `sub` that it knows the user by, and no other.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp, states};
use crate::support::validator::validate;
use crate::support::{ISSUER, TOKEN, event, eventually};

/// The `sub` of alice at rp.example.com, as Python's hashlib and uuid make it of the salt `s3cr3t-salt`: what
/// Keycloak puts into the ID Token.
const COMPUTED: &str = "4c3e39a3-c156-33a4-800e-122ac48b48d5";

const SALT: &str = "[issuer.pairwise]\nsalt = \"s3cr3t-salt\"\nformat = \"keycloak\"";

/// What a client of the sector rp.example.com has.
const PAIRWISE: &str =
    "subject_type = \"pairwise\"\nsector_identifier_uri = \"https://rp.example.com/sector.json\"";

/// Relying parties by name, at one server; each is told apart by its path.
async fn relying_parties() -> MockServer {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    rp
}

fn setup(rp: &MockServer, clients: &[(&str, &str)]) -> Setup {
    let client = |setup: Setup, (id, settings): &(&str, &str)| {
        setup.client(id, &format!("{}/{id}", rp.uri()), &format!("initiators = \"all\"\n{settings}"))
    };
    clients.iter().fold(Setup::new().with(SALT), client)
}

/// `sid` and `sub` of every token so far, by client, each token checked to the letter.
async fn told(app: &TestApp, rp: &MockServer) -> BTreeMap<String, Vec<(Value, Value)>> {
    let jwks = app.jwks().await;
    let mut told: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for request in rp.received_requests().await.unwrap() {
        let client_id = request.url.path().trim_start_matches('/').to_owned();
        let token = validate(&request.body, ISSUER, &client_id, &jwks);
        let claim = |name: &str| token.claims.get(name).cloned().unwrap_or_default();
        told.entry(client_id).or_default().push((claim("sid"), claim("sub")));
    }
    for tokens in told.values_mut() {
        tokens.sort_by_key(|(sid, sub)| format!("{sid} {sub}"));
    }
    told
}

async fn accepted(app: &TestApp, r#type: &str, data: Value) {
    let (status, answer) = app.report(&event(r#type, data)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
}

async fn ended(app: &TestApp, data: Value) -> usize {
    let outcome = app.outcome(&event("session.terminated", data), 10).await;
    assert!(outcome.iter().all(|(_, state)| state == "delivered"), "{outcome:?}");
    outcome.len()
}

#[tokio::test]
async fn each_client_is_told_the_sub_it_knows() {
    let rp = relying_parties().await;
    let app = setup(&rp, &[("public", ""), ("pairwise", PAIRWISE), ("named", PAIRWISE), ("joins", PAIRWISE)])
        .start()
        .await;
    let clients = json!(["public", "pairwise", {"client_id": "named", "sub": "p-1"}]);
    accepted(&app, "session.created", json!({"sid": "s-1", "sub": "alice", "clients": clients})).await;
    accepted(&app, "session.client_added", json!({"sid": "s-1", "client_id": "joins", "sub": "p-2"})).await;
    assert_eq!(ended(&app, json!({"sid": "s-1", "sub": "alice", "initiator": "rp-logout"})).await, 4);

    let one = |sub: &str| vec![(json!("s-1"), json!(sub))];
    let expected = [("joins", "p-2"), ("named", "p-1"), ("pairwise", COMPUTED), ("public", "alice")];
    let expected: BTreeMap<_, _> = expected.map(|(id, sub)| (id.to_owned(), one(sub))).into();
    assert_eq!(told(&app, &rp).await, expected);
    app.stop().await;
}

#[tokio::test]
async fn a_pairwise_client_gets_the_sid_alone_where_the_user_is_unknown() {
    let rp = relying_parties().await;
    let app = setup(&rp, &[("public", ""), ("pairwise", PAIRWISE)]).start().await;
    let data = json!({"sid": "s-1", "initiator": "rp-logout", "clients": ["public", "pairwise"]});
    assert_eq!(ended(&app, data).await, 2);
    for tokens in told(&app, &rp).await.values() {
        assert_eq!(*tokens, [(json!("s-1"), Value::Null)]);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_user_logged_out_everywhere_is_the_public_sub_in_and_the_own_one_out() {
    let rp = relying_parties().await;
    let once = format!("{PAIRWISE}\nsubject_logout = \"sub\"");
    let app = setup(&rp, &[("each", PAIRWISE), ("once", &once), ("beside", PAIRWISE)]).start().await;
    for sid in ["s-1", "s-2"] {
        accepted(&app, "session.created", json!({"sid": sid, "sub": "alice", "clients": ["each", "once"]}))
            .await;
    }
    // The own `sub` of a client is no user's here.
    let by_own = event("session.terminated", json!({"sub": COMPUTED, "initiator": "account-deleted"}));
    assert_eq!(app.report(&by_own).await.0, StatusCode::UNPROCESSABLE_ENTITY);

    let data = json!({"sub": "alice", "initiator": "account-deleted", "clients": ["beside"]});
    assert_eq!(ended(&app, data).await, 4);
    let own = || json!(COMPUTED);
    let expected = BTreeMap::from([
        ("beside".to_owned(), vec![(Value::Null, own())]),
        ("each".to_owned(), vec![(json!("s-1"), own()), (json!("s-2"), own())]),
        ("once".to_owned(), vec![(Value::Null, own())]),
    ]);
    assert_eq!(told(&app, &rp).await, expected);
    app.stop().await;
}

#[tokio::test]
async fn tokens_about_a_user_that_wait_are_found_by_the_clients_own_sub() {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).mount(&rp).await;
    let once = format!("{PAIRWISE}\nsubject_logout = \"sub\"");
    // Long waits: what has failed once is pending from then on.
    let app = setup(&rp, &[("once", &once)])
        .with("[delivery]\nschedule = [\"1h\"]\ntimeout = \"1s\"")
        .start()
        .await;
    let everywhere = || json!({"sub": "alice", "initiator": "password-changed"});
    accepted(&app, "session.created", json!({"sid": "s-1", "sub": "alice", "clients": ["once"]})).await;
    let (_, first) = app.report(&event("session.terminated", everywhere())).await;
    eventually(async || {
        let tried = rp.received_requests().await.unwrap().len();
        (tried == 1).then_some(())
    })
    .await;
    let id = first["deliveries"][0]["id"].as_str().unwrap().to_owned();
    eventually(async || {
        let url = format!("{}/api/v2/deliveries/{id}", app.management);
        let (_, delivery) = app.send(app.http.get(url).bearer_auth(TOKEN)).await;
        (delivery["state"] == "pending").then_some(())
    })
    .await;

    // The second session is new in the same batch that ends it.
    let batch = json!([
        event("session.created", json!({"sid": "s-2", "sub": "alice", "clients": ["once"]})),
        event("session.terminated", everywhere()),
    ]);
    let (status, answer) = app.report(&batch).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    assert_eq!(answer[1]["deliveries"][0]["id"].as_str(), Some(id.as_str()));
    assert_eq!(states(&answer[1]).len(), 1);
    app.stop().await;
}

#[tokio::test]
async fn a_client_that_becomes_pairwise_is_not_sent_what_waits_with_the_public_sub() {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).mount(&rp).await;
    let waits = "[delivery]\nschedule = [\"300ms\"]\ntimeout = \"1s\"";
    let app = setup(&rp, &[("shop", "")]).with(waits).start().await;
    let data = json!({"sid": "s-1", "sub": "alice", "initiator": "rp-logout", "clients": ["shop"]});
    accepted(&app, "session.terminated", data).await;
    eventually(async || {
        let tried = rp.received_requests().await.unwrap().len();
        (tried > 0).then_some(())
    })
    .await;
    let setup = app.stop().await;
    rp.reset().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;

    let settings = format!("initiators = \"all\"\n{PAIRWISE}");
    let app = setup.without_clients().client("shop", &format!("{}/shop", rp.uri()), &settings).start().await;
    let tokens = eventually(async || told(&app, &rp).await.remove("shop")).await;
    assert_eq!(tokens, [(json!("s-1"), Value::Null)]);
    app.stop().await;
}

#[tokio::test]
async fn a_client_of_the_api_may_be_pairwise_and_operators_and_the_clock_end_sessions_by_its_sub() {
    let rp = relying_parties().await;
    let app = setup(&rp, &[]).start().await;
    let api = async |method: Method, path: &str, body: Value| {
        let url = format!("{}/api/v2{path}", app.management);
        app.send(app.http.request(method, url).bearer_auth(TOKEN).json(&body)).await
    };
    let client = json!({
        "client_id": "shop", "backchannel_logout_uri": format!("{}/shop", rp.uri()), "initiators": "all",
        "id_token_signed_response_alg": "ES256", "subject_type": "pairwise",
        "sector_identifier_uri": "https://rp.example.com/sector.json",
    });
    let (status, created) = api(Method::POST, "/clients", client.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    for member in ["subject_type", "sector_identifier_uri"] {
        assert_eq!(created[member], client[member]);
    }
    let (status, answer) = api(Method::PATCH, "/clients/shop", json!({"subject_type": "public"})).await;
    let message = "sector_identifier_uri: is for clients with the subject_type \"pairwise\" only";
    assert_eq!((status, answer["message"].as_str()), (StatusCode::BAD_REQUEST, Some(message)));
    let public = json!({"subject_type": null, "sector_identifier_uri": null});
    let (_, changed) = api(Method::PATCH, "/clients/shop", public).await;
    assert_eq!(
        (changed["subject_type"].as_str(), changed.get("sector_identifier_uri")),
        (Some("public"), None)
    );
    let back = json!({"subject_type": "pairwise", "sector_identifier_uri": client["sector_identifier_uri"]});
    assert_eq!(api(Method::PATCH, "/clients/shop", back).await.0, StatusCode::OK);

    let begin = |sid: &str| json!({"sid": sid, "sub": "alice", "clients": ["shop"]});
    accepted(&app, "session.created", begin("s-1")).await;
    accepted(&app, "session.created", begin("s-2")).await;
    let mut short = begin("s-3");
    short["sub"] = json!("bob");
    short["expires_at"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(api(Method::DELETE, "/sessions/s-1", json!({})).await.0, StatusCode::ACCEPTED);
    assert_eq!(api(Method::DELETE, "/users/alice/sessions", json!({})).await.0, StatusCode::ACCEPTED);
    accepted(&app, "session.created", short).await;
    let tokens = eventually(async || {
        let tokens = told(&app, &rp).await.remove("shop")?;
        (tokens.len() == 3).then_some(tokens)
    })
    .await;
    assert_eq!(tokens[..2], [(json!("s-1"), json!(COMPUTED)), (json!("s-2"), json!(COMPUTED))]);
    let (sid, sub) = &tokens[2];
    assert_eq!(sid, "s-3");
    assert!(sub.is_string() && *sub != "bob" && *sub != COMPUTED, "{sub}");
    app.stop().await;
}

#[tokio::test]
async fn a_client_cannot_become_pairwise_without_a_salt() {
    let app = Setup::new().start().await;
    let request = app.http.post(format!("{}/api/v2/clients", app.management)).bearer_auth(TOKEN);
    let body =
        json!({"client_id": "shop", "id_token_signed_response_alg": "ES256", "subject_type": "pairwise"});
    let (status, answer) = app.send(request.json(&body)).await;
    let message = "subject_type: \"pairwise\" needs the OP's salt; have an operator set issuer.pairwise.salt_file (or \
                   issuer.pairwise.salt)";
    assert_eq!((status, answer["message"].as_str()), (StatusCode::BAD_REQUEST, Some(message)));
    app.stop().await;
}

#[tokio::test]
async fn a_client_that_cannot_be_told_any_more_keeps_nobody_logged_in_elsewhere() {
    let rp = relying_parties().await;
    let app = setup(&rp, &[("shop", "")]).start().await;
    let mute = json!({
        "client_id": "mute",
        "backchannel_logout_uri": format!("{}/mute", rp.uri()),
        "id_token_signed_response_alg": "ES256",
        "initiators": "all",
        "subject_type": "pairwise",
        "token": {"subject": "sub"},
    });
    let clients = format!("{}/api/v2/clients", app.management);
    let (status, answer) = app.send(app.http.post(clients).bearer_auth(TOKEN).json(&mute)).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");

    // Somebody takes the salt out of the configuration.
    let app = app.stop().await.with("[issuer.pairwise]\nformat = \"keycloak\"").start().await;
    let begun = json!({"sid": "s-1", "sub": "alice", "clients": ["mute", "shop"]});
    assert_eq!(app.report(&event("session.created", begun)).await.0, StatusCode::ACCEPTED);
    let session = format!("{}/api/v2/sessions/s-1", app.management);
    let (status, ended) = app.send(app.http.delete(session).bearer_auth(TOKEN)).await;
    assert_eq!((status, &ended["untold"]), (StatusCode::ACCEPTED, &json!(["mute"])));
    eventually(async || told(&app, &rp).await.contains_key("shop").then_some(())).await;
    assert_eq!(told(&app, &rp).await.keys().collect::<Vec<_>>(), ["shop"]);
    app.stop().await;
}
