//! `logoutd clients`: a client's life from the shell.

use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::shell::Shell;
use crate::support::validator::validate;
use crate::support::{ISSUER, TOKEN, ends};

async fn rp(status: u16, body: &str) -> MockServer {
    let rp = MockServer::start().await;
    let answer = ResponseTemplate::new(status).set_body_string(body);
    Mock::given(method("POST")).respond_with(answer).mount(&rp).await;
    rp
}

async fn start() -> (TestApp, Shell) {
    let app = Setup::new().without_clients().with("[delivery]\nschedule = [\"1h\"]").start().await;
    let shell = Shell::of(&app);
    (app, shell)
}

/// The members of a client that `like` has, too.
fn some(client: &Value, like: &Value) -> Value {
    like.as_object().unwrap().keys().map(|name| (name.clone(), client[name].clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn options_become_members_of_the_client() {
    let app = Setup::new().without_clients().with("[issuer.pairwise]\nsalt = \"s3cr3t-salt\"").start().await;
    let shell = Shell::of(&app);
    let created = shell.json(&[
        "clients",
        "create",
        "shop",
        "--name",
        "The Shop",
        "--logout-uri",
        "https://shop.example.com/logout?t=1",
        "--session-required",
        "--alg",
        "ES256",
        "--initiators",
        "rp-logout,session-revoked",
        "--session-metadata",
        "org_id,device_name",
        "--token-ttl",
        "90s",
        "--token-typ",
        "JWT",
        "--token-subject",
        "sid",
        "--subject-logout",
        "sid",
        "--subject-type",
        "pairwise",
        "--sector-identifier-uri",
        "https://example.com/sector.json",
        "--app-type",
        "spa",
        "--disabled",
    ]);
    let mut expected = json!({
        "client_id": "shop",
        "client_name": "The Shop",
        "backchannel_logout_uri": "https://shop.example.com/logout?t=1",
        "backchannel_logout_session_required": true,
        "id_token_signed_response_alg": "ES256",
        "initiators": ["rp-logout", "session-revoked"],
        "session_metadata": ["device_name", "org_id"],
        "token": {"ttl": "1m 30s", "typ": "JWT", "subject": "sid"},
        "subject_logout": "sid",
        "subject_type": "pairwise",
        "sector_identifier_uri": "https://example.com/sector.json",
        "app_type": "spa",
        "enabled": false,
        "subscribed": true,
        "origin": "api",
    });
    assert_eq!(some(&created, &expected), expected);
    assert_eq!(shell.json(&["clients", "show", "shop"]), created);

    // What is not given stays as it is.
    let updated = shell.json(&[
        "clients",
        "update",
        "shop",
        "--initiators",
        "all",
        "--session-metadata",
        "none",
        "--token-typ",
        "none",
        "--session-required=false",
        "--token-subject",
        "sub",
        "--subject-logout",
        "sub",
        "--enable",
    ]);
    for (name, value) in [
        ("initiators", json!("all")),
        ("session_metadata", json!(false)),
        ("token", json!({"ttl": "1m 30s", "typ": "none", "subject": "sub"})),
        ("backchannel_logout_session_required", json!(false)),
        ("subject_logout", json!("sub")),
        ("enabled", json!(true)),
    ] {
        expected[name] = value;
    }
    assert_eq!(some(&updated, &expected), expected);
    assert_eq!(
        shell.json(&["clients", "update", "shop", "--session-metadata", "all"])["session_metadata"],
        true
    );
    let disabled = shell.ok(&["clients", "update", "shop", "--disable"]);
    assert!(
        disabled.contains("✓ client shop is changed") && disabled.contains("disabled: what is to"),
        "{disabled}"
    );
    let unsubscribed = shell.ok(&["clients", "update", "shop", "--no-logout-uri"]);
    assert!(unsubscribed.contains("unsubscribed: it has no logout URI"), "{unsubscribed}");
    assert!(!unsubscribed.contains("shop.example.com"), "{unsubscribed}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_registered_shown_and_removed_for_people() {
    let down = rp(503, "").await;
    let (app, shell) = start().await;
    let id = "a/b?c d";
    let created = shell.ok(&["clients", "create", id, "--logout-uri", &down.uri(), "--alg", "ES256"]);
    assert!(created.starts_with("✓ client a/b?c d is registered\n"), "{created}");
    assert!(!created.contains('\u{1b}'), "colours are for terminals");
    let shown = shell.ok(&["clients", "show", id]);
    for expected in [
        "client            a/b?c d\n",
        "standing          subscribed\n",
        &format!("logout uri        {}\n", down.uri()),
        "session metadata  false\n",
        "initiators        rp-logout, idp-logout\n",
        "token             subject sid+sub, ttl 2m, typ logout+jwt\n",
    ] {
        assert!(shown.contains(expected), "{expected:?} is not in:\n{shown}");
        assert!(created.contains(expected), "{expected:?} is not in:\n{created}");
    }
    app.report(&ends("s-1", &[id])).await;
    let deleted = shell.ok(&["clients", "delete", id]);
    assert!(deleted.contains("deliveries list --client 'a/b?c d' --state discarded"), "{deleted}");
    assert!(shell.ok(&["deliveries", "list", "--client", id, "--state", "discarded"]).contains(id));
    assert_eq!(shell.ok(&["clients", "list"]), "no clients\n");
    // It is removed already; as JSON the service has nothing to say.
    assert_eq!(shell.ok(&["clients", "delete", id, "--json"]), "");
    assert!(shell.fails(1, &["clients", "show", id]).contains("404"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_the_body_that_the_api_takes() {
    let (app, shell) = start().await;
    let file = app.setup.folder.path().join("client.json");
    let path = file.to_str().unwrap();
    let write = |body: Value| std::fs::write(&file, body.to_string()).unwrap();
    write(json!({
        "name": "Wiki",
        "jwt_configuration": {"alg": "ES256"},
        "oidc_logout": {"backchannel_logout_urls": ["https://wiki.example.com/logout"]},
    }));
    let created = shell.json(&["clients", "create", "wiki", "--from-file", path]);
    assert_eq!((&created["client_id"], &created["client_name"]), (&json!("wiki"), &json!("Wiki")));
    assert_eq!(created["backchannel_logout_uri"], "https://wiki.example.com/logout");

    let body = json!({"description": "for all", "token": {"ttl": "1m"}}).to_string();
    let said = shell.run_with(&["clients", "update", "wiki", "--from-file", "-"], &body);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.contains("description       for all\n") && said.out.contains("ttl 1m,"), "{}", said.out);

    write(json!({"client_id": "blog"}));
    assert!(
        shell.fails(2, &["clients", "create", "wiki", "--from-file", path]).contains("another client_id")
    );
    for (body, complaint) in [("[]", "must contain a JSON object"), ("{", "is not valid JSON")] {
        std::fs::write(&file, body).unwrap();
        assert!(shell.fails(1, &["clients", "create", "--from-file", path]).contains(complaint));
    }
    assert!(shell.fails(1, &["clients", "create", "--from-file", "/no/such/file"]).contains("cannot read"));
    assert_eq!(shell.json(&["clients", "list"])["clients"].as_array().unwrap().len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_2_and_a_refusal_is_1() {
    let (app, shell) = start().await;
    let uri = "--logout-uri=https://shop.example.com/";
    for (arguments, complaint) in [
        (&["create"][..], "say something of the client"),
        (&["update", "shop"], "say what is to change"),
        (&["update", "shop", "--enable", "--disable"], "cannot be used with"),
        (&["update", "shop", uri, "--no-logout-uri"], "cannot be used with"),
        (&["update", "shop", "--from-file", "x", "--name", "y"], "cannot be used with"),
        (&["update", "shop", "--from-file", "x", "--enable"], "cannot be used with"),
        (&["create", "--from-file", "x", "--disabled"], "cannot be used with"),
        (&["create", "--alg", "none"], "is not a supported signing algorithm"),
        (&["create", "--initiators", "all,rp-logout"], "`all` is not an initiator"),
        (&["create", "--session-metadata", "a key"], "Metadata keys may only include"),
        (&["create", "--logout-uri", "/logout"], "must be an absolute URI"),
        (&["create", "--token-typ", "jwt"], "[possible values: logout+jwt, JWT, none]"),
        (&["show", ".."], "cannot be part of a URL"),
        (&["delete", ""], "must not be empty"),
        (&["list", "extra"], "unexpected argument"),
    ] {
        let said = shell.fails(2, &[&["clients"], arguments].concat());
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
    assert_eq!(shell.ok(&["clients", "list"]), "no clients\n");

    for (arguments, complaint) in [
        (&["create", "shop", "--alg", "ES384"][..], "there is no ES384 key"),
        (&["create", "shop", "--alg", "ES256", "--token-ttl", "1h"], "token.ttl: must be"),
        (&["update", "shop", "--name", "x"], "The client does not exist"),
        (&["test", "shop"], "The client does not exist"),
    ] {
        let said = shell.fails(1, &[&["clients"], arguments].concat());
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
    let stranger = Shell::of(&app).with_token("wrong");
    assert!(stranger.fails(1, &["clients", "list"]).contains("401"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_clients_are_listed_however_many_pages_they_take() {
    let app = Setup::new().without_clients().with("[access]\nrate_limit = \"off\"").start().await;
    let shell = Shell::of(&app);
    for n in 0..230 {
        let app_type = if n < 3 { "spa" } else { "regular_web" };
        let body = json!({
            "client_id": format!("c-{n:03}"), "id_token_signed_response_alg": "ES256", "app_type": app_type,
        });
        let request = app.http.post(format!("{}/api/v2/clients", app.management)).bearer_auth(TOKEN);
        assert_eq!(app.send(request.json(&body)).await.0, 201);
    }
    let expected: Vec<String> = (0..230).map(|n| format!("c-{n:03}")).collect();
    let table = shell.ok(&["clients", "list"]);
    let (heading, rows) = table.split_once('\n').unwrap();
    assert!(heading.starts_with("CLIENT "), "{heading}");
    let listed: Vec<_> = rows.lines().map(|row| row.split_whitespace().next().unwrap()).collect();
    assert_eq!(listed, expected);
    assert!(
        rows.lines().all(|row| row.contains("unsubscribed") && row.contains("api") && row.contains("ES256"))
    );

    let listed = shell.json(&["clients", "list"]);
    let ids: Vec<_> =
        listed["clients"].as_array().unwrap().iter().map(|it| it["client_id"].as_str().unwrap()).collect();
    assert_eq!(ids, expected);
    assert_eq!(listed.as_object().unwrap().len(), 1);
    let spa = shell.json(&["clients", "list", "--app-type", "spa,native"]);
    assert_eq!(spa["clients"].as_array().unwrap().len(), 3);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_shows_each_phase_and_fails_with_the_relying_party() {
    let (healthy, refusing, down) = (rp(200, "thanks").await, rp(400, "who?").await, rp(503, "").await);
    let (app, shell) = start().await;
    for (id, rp) in [("shop", &healthy), ("wiki", &refusing), ("blog", &down)] {
        shell.ok(&["clients", "create", id, "--logout-uri", &rp.uri(), "--alg", "ES256"]);
    }
    let shown = shell.ok(&["clients", "test", "shop"]);
    let sent = healthy.received_requests().await.unwrap();
    let token = validate(&sent[0].body, ISSUER, "shop", &app.jwks().await);
    let jti = token.claims["jti"].as_str().unwrap();
    for expected in [
        "took the token",
        "it answered 200",
        "ms: sign ",
        ", connect ",
        ", answer ",
        "│ thanks",
        jti,
        "logout+jwt",
    ] {
        assert!(shown.contains(expected), "{expected:?} is not in:\n{shown}");
    }
    let trial = shell.json(&["clients", "test", "shop"]);
    assert_eq!((&trial["state"], &trial["claims"]["aud"]), (&json!("delivered"), &json!("shop")));

    for (id, answered, meaning) in [
        ("wiki", "it answered 400", "refused the token"),
        ("blog", "it answered 503", "would be tried again"),
    ] {
        let said = shell.run(&["clients", "test", id]);
        assert_eq!((said.code, said.err.as_str()), (1, ""), "{id}");
        assert!(said.out.contains(answered) && said.out.contains(meaning), "{}", said.out);
        let said = shell.run(&["clients", "test", id, "--json"]);
        assert_eq!(said.code, 1);
        assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap()["client_id"], id);
    }
    shell.ok(&["clients", "create", "none", "--alg", "ES256"]);
    assert!(shell.fails(1, &["clients", "test", "none"]).contains("409"));
    app.stop().await;
}
