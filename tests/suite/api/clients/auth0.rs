//! Clients as Auth0's tools write them: every member of its client object, `null`s, and what was read written back.

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::ends;

/// A client with every member that Auth0's SDKs and its Deploy CLI know.
const CLIENT: &str = include_str!("../../../../fixtures/auth0/client.json");

/// What an answer has of these is logoutd's own, whatever was written.
const IGNORED: [&str; 8] = [
    "client_secret",
    "created_at",
    "external_metadata_created_by",
    "external_metadata_status",
    "external_metadata_type",
    "signing_keys",
    "tenant",
    "updated_at",
];

fn auth0_client() -> Map<String, Value> {
    let mut client: Map<_, _> = serde_json::from_str(CLIENT).unwrap();
    client["jwt_configuration"]["alg"] = json!("ES256");
    client
}

async fn create(app: &TestApp, body: impl Into<Value>) -> Value {
    let (status, client) = app.api(Method::POST, "/clients", Some(body.into())).await;
    assert_eq!(status, StatusCode::CREATED, "{client}");
    client
}

async fn patch(app: &TestApp, id: &str, body: impl Into<Value>) -> (StatusCode, Value) {
    app.api(Method::PATCH, &format!("/clients/{id}"), Some(body.into())).await
}

async fn patched(app: &TestApp, id: &str, body: impl Into<Value>) -> Value {
    let (status, client) = patch(app, id, body).await;
    assert_eq!(status, StatusCode::OK, "{client}");
    client
}

fn with_alg(mut body: Value) -> Value {
    body["id_token_signed_response_alg"] = json!("ES256");
    body
}

#[tokio::test]
async fn every_member_of_auth0s_client_is_taken_and_given_back() {
    let app = Setup::new().without_clients().start().await;
    let written = auth0_client();
    let created = create(&app, written.clone()).await;
    for (name, value) in &written {
        let read = created.get(name);
        match name.as_str() {
            name if IGNORED.contains(&name) => assert_ne!(read, Some(value), "{name}"),
            // The older name of `oidc_logout`.
            "oidc_backchannel_logout" => assert_eq!(read, None),
            _ if value.is_null() => assert_eq!(read, None, "{name}"),
            _ => assert_eq!(read, Some(value), "{name}"),
        }
    }
    assert!(!created.to_string().contains("s3cr3t"), "a client's secret is not kept");

    // Each member by itself too, `null` included, in a change as in a registration.
    for (index, (name, value)) in written.iter().enumerate() {
        if name == "client_id" {
            continue;
        }
        for (kind, value) in [("value", value), ("null", &Value::Null)] {
            let id = format!("{kind}-{index}");
            let mut body = with_alg(json!({"client_id": id}));
            if name != "jwt_configuration" {
                body[name] = value.clone();
            }
            create(&app, body).await;
            if name != "jwt_configuration" || !value.is_null() {
                patched(&app, &id, json!({ name: value })).await;
            }
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn what_was_read_can_be_written_back_and_changes_nothing() {
    let app = Setup::new()
        .client("file", "https://rp.example.com/file", "")
        .client(
            "named",
            "https://rp.example.com/named",
            "client_name = \"Named\"\ninitiators = \"all\"\n\
            session_metadata = [\"org_id\"]\ntoken = { ttl = \"90s\", typ = \"JWT\" }",
        )
        .start()
        .await;
    create(&app, auth0_client()).await;
    create(&app, with_alg(json!({"client_id": "bare"}))).await;
    create(&app, with_alg(json!({"client_id": "third", "name": "Third", "is_first_party": false}))).await;
    let (_, before) = app.get("/clients").await;
    assert_eq!(before.as_array().unwrap().len(), 5);

    for client in before.as_array().unwrap() {
        let id = client["client_id"].as_str().unwrap();
        assert_eq!(&patched(&app, id, client.clone()).await, client);
        // As Auth0's tools do: without the id, and in its words alone.
        let mut own = client.as_object().unwrap().clone();
        for name in
            ["client_id", "client_name", "backchannel_logout_uri", "initiators", "session_metadata", "token"]
        {
            own.remove(name);
        }
        assert_eq!(&patched(&app, id, own).await, client);
    }
    assert_eq!(app.get("/clients").await.1, before, "nothing was changed, `updated_at` included");
    let (_, logs) = app.get("/logs?type=sapi&include_totals=true").await;
    let changed: Vec<_> =
        logs["logs"].as_array().unwrap().iter().filter(|it| !it["details"]["changed"].is_null()).collect();
    assert!(changed.is_empty(), "and the audit trail says so: {changed:?}");

    // Of what has two names, one may be changed in what was read.
    let (_, mut client) = app.get("/clients/real").await;
    client["oidc_logout"] = json!({
        "backchannel_logout_urls": ["https://rp.example.com/moved"],
        "backchannel_logout_initiators": {"mode": "all"},
        "backchannel_logout_session_metadata": {"include": true},
    });
    client["client_name"] = json!("Renamed");
    let changed = patched(&app, "real", client.clone()).await;
    assert_eq!(changed["backchannel_logout_uri"], "https://rp.example.com/moved");
    assert_eq!((&changed["initiators"], &changed["session_metadata"]), (&json!("all"), &json!(true)));
    assert_eq!(changed["name"], "Renamed");
    // To send that once more must not set the one and the other in turn.
    let (status, error) = patch(&app, "real", client).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{error}");
    assert!(error["message"].as_str().unwrap().contains("contradicts"), "{error}");
    assert_eq!(app.get("/clients/real").await.1, changed);
    let both = json!({"name": "A", "client_name": "B"});
    assert_eq!(patch(&app, "real", both).await.0, StatusCode::BAD_REQUEST);
    let (_, before) = app.get("/clients").await;

    // What would change one of the file's is refused.
    for body in [
        json!({"name": "x"}),
        json!({"client_metadata": {"k": "v"}}),
        json!({"enabled": false}),
        json!({"oidc_logout": null}),
    ] {
        let (status, error) = patch(&app, "file", body).await;
        assert_eq!((status, error["errorCode"].as_str()), (StatusCode::CONFLICT, Some("client_read_only")));
    }
    assert_eq!(app.get("/clients").await.1, before);
    app.stop().await;
}

#[tokio::test]
async fn what_was_read_after_a_410_can_be_written_back_and_subscribes_nobody() {
    let gone = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(410)).mount(&gone).await;
    let app = Setup::new().without_clients().start().await;
    create(&app, with_alg(json!({"client_id": "shop", "backchannel_logout_uri": gone.uri()}))).await;
    assert_eq!(app.outcome(&ends("s-1", &["shop"]), 10).await[0].1, "rejected");
    let (_, client) = app.get("/clients/shop").await;
    assert_eq!(client["subscribed"], false);

    assert_eq!(patched(&app, "shop", client.clone()).await, client);
    assert_eq!(app.get("/clients/shop").await.1, client);
    // Another URI, and the same one from somebody who does not say that it was read, subscribe again.
    let mut moved = client.clone();
    moved["backchannel_logout_uri"] = json!(format!("{}/new", gone.uri()));
    moved.as_object_mut().unwrap().remove("oidc_logout");
    assert_eq!(patched(&app, "shop", moved).await["subscribed"], true);
    assert_eq!(app.outcome(&ends("s-2", &["shop"]), 10).await[0].1, "rejected");
    let again = json!({"backchannel_logout_uri": format!("{}/new", gone.uri())});
    assert_eq!(patched(&app, "shop", again).await["subscribed"], true);
    app.stop().await;
}

#[tokio::test]
async fn a_member_of_another_type_is_refused_and_named() {
    let app = Setup::new().without_clients().start().await;
    for (body, message) in [
        (json!({"callbacks": "x"}), "callbacks: must be a list of strings"),
        (json!({"callbacks": ["x", 1]}), "callbacks[1]: must be a string"),
        (json!({"callbacks": [null]}), "callbacks[0]: must be a string, not null"),
        (json!({"grant_types": {}}), "grant_types: must be a list of strings"),
        (json!({"sso": "yes"}), "sso: must be true or false"),
        (json!({"sso_disabled": 1}), "sso_disabled: must be true or false"),
        (json!({"logo_uri": []}), "logo_uri: must be a string"),
        (json!({"par_request_expiry": "60"}), "par_request_expiry: must be a whole number"),
        (json!({"par_request_expiry": 1.5}), "par_request_expiry: must be a whole number"),
        (json!({"par_request_expiry": 9_999_999_999_u64}), "par_request_expiry: must be a whole number"),
        (json!({"addons": []}), "addons: must be an object"),
        (
            json!({"addons": {"samlp": {"lifetimeInSeconds": "1"}}}),
            "addons.samlp.lifetimeInSeconds: must be a whole number",
        ),
        (json!({"mobile": {"ios": {"team_id": 1}}}), "mobile.ios.team_id: must be a string"),
        (json!({"refresh_token": {"leeway": true}}), "refresh_token.leeway: must be a whole number"),
        (
            json!({"refresh_token": {"policies": [{"scope": "a"}]}}),
            "refresh_token.policies[0].scope: must be a list of strings",
        ),
        (json!({"refresh_token": {"policies": ["a"]}}), "refresh_token.policies[0]: must be an object"),
        (json!({"encryption_key": {"pub": 1}}), "encryption_key.pub: must be a string"),
        (
            json!({"jwt_configuration": {"lifetime_in_seconds": "1"}}),
            "jwt_configuration.lifetime_in_seconds: must be a whole number",
        ),
        (json!({"jwt_configuration": 1}), "jwt_configuration: "),
        (json!({"client_metadata": "x"}), "client_metadata: must be an object of strings"),
        (json!({"client_metadata": {"k": {}}}), "client_metadata: must be an object of strings"),
        (json!({"description": 1}), "description: must be a string"),
        (
            json!({"oidc_logout": {"backchannel_logout_session_metadata": {"include": "yes"}}}),
            "oidc_logout.backchannel_logout_session_metadata.include: ",
        ),
        // Not what a struct's members in their order could be read from, either.
        (json!({"token": ["90s"]}), "token: "),
        (json!({"oidc_logout": [["https://rp.example.com/"]]}), "oidc_logout: "),
        (
            json!({"oidc_logout": {"backchannel_logout_initiators": ["all"]}}),
            "oidc_logout.backchannel_logout_initiators: ",
        ),
        (
            json!({"oidc_logout": {"backchannel_logout_session_metadata": [true]}}),
            "oidc_logout.backchannel_logout_session_metadata: ",
        ),
        (json!({"nonsense": null}), "nonsense: is no member of a client"),
    ] {
        let (status, error) = app.api(Method::POST, "/clients", Some(with_alg(body.clone()))).await;
        assert_eq!(
            (status, error["errorCode"].as_str()),
            (StatusCode::BAD_REQUEST, Some("invalid_body")),
            "{body}"
        );
        assert!(error["message"].as_str().unwrap().starts_with(message), "{body}: {error}");
    }
    assert_eq!(app.get("/clients").await.1, json!([]));

    // The bytes of everything that is kept are counted together, over all changes.
    create(&app, with_alg(json!({"client_id": "big", "custom_login_page": "x".repeat(20_000)}))).await;
    let (status, error) = patch(&app, "big", json!({"form_template": "x".repeat(20_000)})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let message = error["message"].as_str().unwrap();
    assert!(
        message.starts_with("form_template: all descriptive members together must have at most 32768 bytes"),
        "{message}"
    );
    app.stop().await;
}

#[tokio::test]
async fn null_resets_what_is_acted_on() {
    let setup = Setup::new();
    let keys = setup.folder.path().join("keys");
    let keys = format!("[keys]\ndirectory = \"{}\"\nalgorithms = [\"RS256\", \"ES256\"]", keys.display());
    let app = setup.with(&keys).without_clients().start().await;
    let logout = json!({
        "backchannel_logout_urls": ["https://rp.example.com/logout"],
        "backchannel_logout_initiators": {"mode": "all"},
        "backchannel_logout_session_metadata": {"include": true},
    });
    for (index, (reset, gone)) in [
        (json!({"oidc_logout": null}), &["backchannel_logout_uri", "initiators", "session_metadata"] as &[_]),
        (
            json!({"oidc_backchannel_logout": null}),
            &["backchannel_logout_uri", "initiators", "session_metadata"],
        ),
        (json!({"oidc_logout": {"backchannel_logout_urls": null}}), &["backchannel_logout_uri"]),
        (json!({"oidc_logout": {"backchannel_logout_initiators": null}}), &["initiators"]),
        (json!({"oidc_logout": {"backchannel_logout_session_metadata": null}}), &["session_metadata"]),
        (
            json!({"oidc_logout": {"backchannel_logout_session_metadata": {"include": null}}}),
            &["session_metadata"],
        ),
        (json!({"oidc_logout": {"backchannel_logout_session_metadata": {}}}), &["session_metadata"]),
        (json!({"jwt_configuration": null}), &["id_token_signed_response_alg"]),
        (json!({"jwt_configuration": {"alg": null}}), &["id_token_signed_response_alg"]),
        (json!({"name": null}), &["client_name"]),
        (json!({"token": null}), &["token"]),
        (json!({"enabled": null}), &["enabled"]),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("c-{index}");
        let set = create(
            &app,
            json!({"client_id": id, "name": "Set", "oidc_logout": logout, "jwt_configuration": {"alg": "ES256"},
                   "token": {"ttl": "1m"}, "enabled": false}),
        )
        .await;
        let default = create(&app, json!({"client_id": format!("d-{index}")})).await;
        let after = patched(&app, &id, reset.clone()).await;
        for name in [
            "backchannel_logout_uri",
            "initiators",
            "session_metadata",
            "id_token_signed_response_alg",
            "client_name",
            "token",
            "enabled",
        ] {
            let expected = if gone.contains(&name) { &default } else { &set };
            assert_eq!(after.get(name), expected.get(name), "{reset}: {name}");
        }
        assert_eq!(after["subscribed"], !gone.contains(&"backchannel_logout_uri"), "{reset}");
    }
    app.stop().await;
}

#[tokio::test]
async fn what_was_never_set_is_not_shown_and_what_was_is() {
    let app = Setup::new().without_clients().start().await;
    let urls = json!(["https://rp.example.com/logout"]);
    create(&app, with_alg(json!({"client_id": "shop", "oidc_logout": {"backchannel_logout_urls": urls}})))
        .await;
    let read = async || app.get("/clients/shop").await.1["oidc_logout"].clone();
    assert_eq!(read().await, json!({"backchannel_logout_urls": urls}));

    // The defaults, in so many words.
    let initiators = json!({"mode": "custom", "selected_initiators": ["rp-logout", "idp-logout"]});
    let all = json!({
        "backchannel_logout_urls": urls,
        "backchannel_logout_initiators": initiators,
        "backchannel_logout_session_metadata": {"include": false},
    });
    patched(&app, "shop", json!({"oidc_logout": all})).await;
    assert_eq!(read().await, all);
    let (_, whole) = app.get("/clients/shop").await;
    assert_eq!(patched(&app, "shop", whole.clone()).await, whole);

    // And taken back, one by one.
    patched(&app, "shop", json!({"oidc_logout": {"backchannel_logout_session_metadata": null}})).await;
    assert_eq!(
        read().await,
        json!({"backchannel_logout_urls": urls, "backchannel_logout_initiators": initiators})
    );
    patched(&app, "shop", json!({"initiators": null})).await;
    assert_eq!(read().await, json!({"backchannel_logout_urls": urls}));

    // What is not the default is shown, whoever set it.
    patched(&app, "shop", json!({"initiators": "all", "session_metadata": ["org_id"]})).await;
    let shown = read().await;
    assert_eq!(shown["backchannel_logout_initiators"], json!({"mode": "all"}));
    assert_eq!(shown["backchannel_logout_session_metadata"], json!({"include": true}));
    patched(&app, "shop", json!({"session_metadata": false})).await;
    assert_eq!(read().await.get("backchannel_logout_session_metadata"), None);
    app.stop().await;
}

#[tokio::test]
async fn every_initiator_and_a_selection_contradict_each_other() {
    let app = Setup::new().without_clients().start().await;
    for selected in [json!(["rp-logout"]), json!([])] {
        let initiators = json!({"mode": "all", "selected_initiators": selected});
        let body = with_alg(json!({"oidc_logout": {"backchannel_logout_initiators": initiators}}));
        let (status, error) = app.api(Method::POST, "/clients", Some(body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{selected}");
        let message = error["message"].as_str().unwrap();
        let member = "oidc_logout.backchannel_logout_initiators.selected_initiators: must be left out with the mode \"all\"";
        assert!(message.starts_with(member), "{message}");
    }
    let initiators = json!({"mode": "all", "selected_initiators": null});
    let body = with_alg(json!({"oidc_logout": {"backchannel_logout_initiators": initiators}}));
    assert_eq!(create(&app, body).await["initiators"], "all");
    app.stop().await;
}

/// As recorded of Auth0: what is not given inside an object stays, and `null` takes it away.
#[tokio::test]
async fn of_an_object_only_what_is_given_changes() {
    let app = Setup::new().without_clients().start().await;
    create(
        &app,
        with_alg(json!({
            "client_id": "shop",
            "jwt_configuration": {"secret_encoded": false, "lifetime_in_seconds": 7200},
            "mobile": {"android": {"app_package_name": "com.example"}, "ios": {"team_id": "1"}},
            "session_transfer": {"allow_refresh_token": false, "delegation": {"allow_delegated_access": true}},
            "client_metadata": {"a": "1", "b": "2"},
            "addons": {"samlp": {"audience": "a"}},
            "callbacks": ["https://a.example.com", "https://b.example.com"],
        })),
    )
    .await;
    let after = patched(
        &app,
        "shop",
        json!({
            "jwt_configuration": {"lifetime_in_seconds": 3600},
            "mobile": {"android": {"app_package_name": "org.example"}},
            "session_transfer": {"delegation": null},
            "client_metadata": {"a": null, "c": "3"},
            "addons": null,
            "callbacks": ["https://c.example.com"],
        }),
    )
    .await;
    let jwt = json!({"alg": "ES256", "secret_encoded": false, "lifetime_in_seconds": 3600});
    assert_eq!(after["jwt_configuration"], jwt);
    assert_eq!(
        after["mobile"],
        json!({"android": {"app_package_name": "org.example"}, "ios": {"team_id": "1"}})
    );
    assert_eq!(after["session_transfer"], json!({"allow_refresh_token": false}));
    assert_eq!(after["client_metadata"], json!({"b": "2", "c": "3"}));
    assert_eq!(after.get("addons"), None);
    assert_eq!(after["callbacks"], json!(["https://c.example.com"]));
    assert_eq!(patched(&app, "shop", json!({"client_metadata": {}})).await.get("client_metadata"), None);
    app.stop().await;
}

/// The requests that Auth0's Terraform provider was recorded with, in its test of `oidc_logout`.
#[tokio::test]
async fn terraform_finds_what_it_wrote() {
    let app = Setup::new().without_clients().start().await;
    let jwt = json!({"alg": "ES256"});
    let all = json!({
        "backchannel_logout_urls": ["https://auth0.test/all/logout"],
        "backchannel_logout_initiators": {"mode": "all"},
        "backchannel_logout_session_metadata": {"include": true},
    });
    let created = create(
        &app,
        json!({"name": "OIDC Logout", "app_type": "spa", "token_endpoint_auth_method": "none", "oidc_logout": all,
               "jwt_configuration": jwt}),
    )
    .await;
    let id = created["client_id"].as_str().unwrap();
    let read = async || app.get(&format!("/clients/{id}")).await.1;
    assert_eq!(read().await["oidc_logout"], all);

    let custom = json!({
        "backchannel_logout_urls": ["https://auth0.test/custom/logout"],
        "backchannel_logout_initiators": {
            "mode": "custom",
            "selected_initiators": ["rp-logout", "idp-logout", "password-changed", "session-expired"],
        },
        "backchannel_logout_session_metadata": {"include": false},
    });
    patched(&app, id, json!({"name": "OIDC Logout", "app_type": "spa", "oidc_logout": custom})).await;
    assert_eq!(read().await["oidc_logout"], custom);

    // What is gone from its configuration it resets by the older name, in one request with the other `null`s.
    let nulls = [
        "default_organization",
        "session_transfer",
        "oidc_backchannel_logout",
        "cross_origin_loc",
        "encryption_key",
        "addons",
        "token_quota",
        "skip_non_verifiable_callback_uri_confirmation_prompt",
        "organization_discovery_methods",
        "token_exchange",
        "async_approval_notification_channels",
        "fedcm_login",
        "identity_assertion_authorization_grant",
    ];
    let nulls: Map<_, _> = nulls.into_iter().map(|name| (name.to_owned(), Value::Null)).collect();
    patched(&app, id, nulls).await;
    patched(&app, id, json!({"name": "OIDC Logout", "app_type": "spa"})).await;
    let client = read().await;
    assert_eq!(client.get("oidc_logout"), None);
    assert_eq!((&client["subscribed"], &client["app_type"]), (&json!(false), &json!("spa")));
    app.stop().await;
}

#[tokio::test]
async fn a_client_without_a_name_is_shown_with_its_id_for_one() {
    let app = Setup::new().client("file", "https://rp.example.com/file", "").start().await;
    create(&app, with_alg(json!({"client_id": "bare"}))).await;
    for id in ["file", "bare"] {
        let (_, client) = app.get(&format!("/clients/{id}")).await;
        assert_eq!((&client["name"], client.get("client_name")), (&json!(id), None));
    }
    let named = patched(&app, "bare", json!({"name": "Bare"})).await;
    assert_eq!((&named["name"], &named["client_name"]), (&json!("Bare"), &json!("Bare")));
    app.stop().await;
}

/// Some members used to be taken whatever their type.
#[tokio::test]
async fn what_was_stored_in_another_type_is_not_shown_and_can_be_set_anew() {
    let app = Setup::new().without_clients().start().await;
    create(&app, with_alg(json!({"client_id": "old", "logo_uri": "https://rp.example.com/logo"}))).await;
    let setup = app.stop().await;
    let store = SqliteConnectOptions::new().filename(setup.folder.path().join("store.db"));
    let mut store = store.connect().await.unwrap();
    sqlx::query(
        "UPDATE clients SET document =
             json_set(document, '$.descriptive.callbacks', 'x', '$.descriptive.mobile', 'y')",
    )
    .execute(&mut store)
    .await
    .unwrap();
    store.close().await.unwrap();

    let app = setup.start().await;
    let (status, clients) = app.get("/clients").await;
    assert_eq!(status, StatusCode::OK);
    let shown = ["callbacks", "mobile", "logo_uri"].map(|name| clients[0].get(name).is_some());
    assert_eq!(shown, [false, false, true]);
    let mobile = json!({"ios": {"team_id": "1"}});
    let anew = patched(&app, "old", json!({"callbacks": ["x"], "mobile": mobile})).await;
    assert_eq!((&anew["callbacks"], &anew["mobile"]), (&json!(["x"]), &mobile));
    app.stop().await;
}
