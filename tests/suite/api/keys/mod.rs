//! The signing keys over the management API, in Auth0's shape.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::validator::validate;
use crate::support::{ISSUER, TOKEN, ends};

const KEYS: &str = "/api/v2/keys/signing";

async fn call(app: &TestApp, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
    let request = app.http.request(method, format!("{}{path}", app.management)).bearer_auth(TOKEN);
    app.send(request.body(body.to_owned())).await
}

async fn keys(app: &TestApp) -> Vec<Value> {
    let (status, keys) = call(app, Method::GET, KEYS, "").await;
    assert_eq!(status, StatusCode::OK, "{keys}");
    keys.as_array().unwrap().clone()
}

async fn published(app: &TestApp) -> Vec<Value> {
    app.jwks().await["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
}

fn der(key: &Value) -> Vec<u8> {
    pem::parse(key["cert"].as_str().unwrap()).unwrap().into_contents()
}

fn hex(bytes: &[u8]) -> Vec<String> {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[tokio::test]
async fn a_key_is_shown_as_auth0_shows_it() {
    let app = Setup::new().start().await;
    let keys = keys(&app).await;
    assert_eq!(keys.len(), 1);
    let key = &keys[0];
    for (member, expected) in [
        ("alg", json!("ES256")),
        ("kind", json!("P-256")),
        ("current", json!(true)),
        ("next", json!(false)),
        ("previous", json!(false)),
        ("revoked", json!(false)),
        ("published", json!(true)),
    ] {
        assert_eq!(key[member], expected, "{member}");
    }
    assert!(key["current_since"].is_string());
    for unset in ["current_until", "revoked_at", "published_until", "pkcs7"] {
        assert!(key.get(unset).is_none(), "{unset}");
    }

    let der = der(key);
    let sha1 = hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, &der).as_ref());
    assert_eq!(key["fingerprint"], sha1.join(":"));
    assert_eq!(key["thumbprint"], sha1.concat());
    assert_eq!(key["x5t#S256"], URL_SAFE_NO_PAD.encode(digest(&SHA256, &der)));
    // The certificate is of the key in the JWKS.
    let jwk = &app.jwks().await["keys"][0];
    for coordinate in ["x", "y"] {
        let number = URL_SAFE_NO_PAD.decode(jwk[coordinate].as_str().unwrap()).unwrap();
        assert!(der.windows(number.len()).any(|window| window == number), "{coordinate}");
    }

    let path = format!("{KEYS}/{}", key["kid"].as_str().unwrap());
    assert_eq!(call(&app, Method::GET, &path, "").await, (StatusCode::OK, key.clone()));
    app.stop().await;
}

#[tokio::test]
async fn rotation_announces_a_key_and_does_not_pile_up() {
    let app = Setup::new().start().await;
    let current = keys(&app).await[0]["kid"].clone();
    let (status, first) = call(&app, Method::POST, &format!("{KEYS}/rotate"), "").await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    assert_ne!(first["kid"], current);
    assert!(first["cert"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert_eq!((&first["current"], &first["next"]), (&json!(false), &json!(true)));
    assert!(first.get("current_since").is_none());
    assert_eq!(first["rotated"], json!([{"kid": first["kid"], "alg": "ES256", "made": true}]));
    assert_eq!(published(&app).await, [current.clone(), first["kid"].clone()]);

    // What SDKs send where there is nothing to say.
    for body in ["null\n", "{}", r#"{"alg": "ES256"}"#, r#"{"alg": null}"#] {
        let (status, again) = call(&app, Method::POST, &format!("{KEYS}/rotate"), body).await;
        assert_eq!((status, &again["kid"]), (StatusCode::CREATED, &first["kid"]), "{body}");
        assert_eq!(again["rotated"][0]["made"], false);
    }
    let states: Vec<_> =
        keys(&app).await.iter().map(|key| (key["kid"].clone(), key["next"].clone())).collect();
    assert_eq!(states, [(current, json!(false)), (first["kid"].clone(), json!(true))]);

    // An alg that had no key has one that signs at once.
    let (status, other) = call(&app, Method::POST, &format!("{KEYS}/rotate"), r#"{"alg": "EdDSA"}"#).await;
    assert_eq!(
        (status, &other["alg"], &other["current"]),
        (StatusCode::CREATED, &json!("EdDSA"), &json!(true))
    );
    app.stop().await;
}

#[tokio::test]
async fn a_revoked_key_signs_no_more_and_is_gone_from_the_jwks() {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let app = Setup::new().client("shop", &format!("{}/logout", rp.uri()), "").start().await;
    let leaked = keys(&app).await.remove(0);
    let leaked_kid = leaked["kid"].as_str().unwrap();

    let path = format!("{KEYS}/{leaked_kid}/revoke");
    let (status, revoked) = call(&app, Method::PUT, &path, "").await;
    assert_eq!(status, StatusCode::OK, "{revoked}");
    assert_eq!((&revoked["kid"], &revoked["cert"]), (&leaked["kid"], &leaked["cert"]));
    assert_eq!((&revoked["revoked"], &revoked["published"]), (&json!(true), &json!(false)));
    assert_eq!((&revoked["current"], &revoked["previous"]), (&json!(false), &json!(true)));
    assert_eq!(revoked["current_until"], revoked["revoked_at"]);
    let successor = revoked["successor"].clone();
    assert_eq!(published(&app).await, std::slice::from_ref(&successor));

    assert_eq!(app.outcome(&ends("s-1", &["shop"]), 10).await[0].1, "delivered");
    let request = rp.received_requests().await.unwrap().remove(0);
    let token = validate(&request.body, ISSUER, "shop", &app.jwks().await);
    assert_eq!(token.header["kid"], successor);

    // Again changes nothing, and names no successor.
    let (status, again) = call(&app, Method::PUT, &path, "").await;
    assert_eq!((status, &again["revoked_at"]), (StatusCode::OK, &revoked["revoked_at"]));
    assert!(again.get("successor").is_none());
    assert_eq!(keys(&app).await.len(), 2);

    // It stays so over a restart, and one that waits can be revoked too.
    let app = app.stop().await.start().await;
    assert_eq!(published(&app).await, [successor]);
    let (_, next) = call(&app, Method::POST, &format!("{KEYS}/rotate"), "").await;
    let path = format!("{KEYS}/{}/revoke", next["kid"].as_str().unwrap());
    let (_, next) = call(&app, Method::PUT, &path, "").await;
    assert_eq!(
        (&next["revoked"], &next["next"], &next["previous"]),
        (&json!(true), &json!(false), &json!(false))
    );
    assert!(next.get("current_since").is_none() && next.get("successor").is_none(), "{next}");
    app.stop().await;
}

#[tokio::test]
async fn bad_requests_say_what_is_wrong_and_change_nothing() {
    let app = Setup::new().start().await;
    let before = keys(&app).await;
    for (method, path, body, status, code, message) in [
        (Method::GET, "/nobody", "", 404, "inexistent_resource", "no such signing key"),
        (Method::GET, "/a%2Fb", "", 404, "inexistent_resource", "no such signing key"),
        (Method::PUT, "/nobody/revoke", "", 404, "inexistent_resource", "no such signing key"),
        (Method::POST, "/rotate", "{", 400, "invalid_body", "EOF"),
        (Method::POST, "/rotate", r#"{"alg": "HS256"}"#, 400, "invalid_body", "alg: `HS256`"),
        (Method::POST, "/rotate", r#"{"algorithm": "ES256"}"#, 400, "invalid_body", "unknown field"),
        (Method::POST, "/nobody/revoke", "", 405, "method_not_allowed", ""),
    ] {
        let (got, answer) = call(&app, method, &format!("{KEYS}{path}"), body).await;
        assert_eq!((got.as_u16(), &answer["errorCode"]), (status, &json!(code)), "{path} {body} {answer}");
        assert!(answer["message"].as_str().unwrap().contains(message), "{answer}");
    }
    assert_eq!(keys(&app).await, before);

    // A folder that cannot be taken over as it is: the keys that there are go on.
    std::fs::write(app.setup.folder.path().join("keys/torn.pem"), "torn").unwrap();
    let (status, answer) = call(&app, Method::POST, &format!("{KEYS}/rotate"), "").await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::CONFLICT, &json!("keys_folder_invalid")));
    assert_eq!(keys(&app).await, before);
    app.stop().await;
}

#[tokio::test]
async fn a_key_that_a_registered_client_uses_is_held_on_to() {
    let app = Setup::new().start().await;
    let register = async |alg: &str| {
        let client = json!({"client_id": alg, "id_token_signed_response_alg": alg}).to_string();
        call(&app, Method::POST, "/api/v2/clients", &client).await
    };
    let (status, answer) = register("ES384").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer["message"].as_str().unwrap().contains("there is no ES384 key"), "{answer}");
    let rotate = async |alg: &str| {
        let body = json!({"alg": alg}).to_string();
        call(&app, Method::POST, &format!("{KEYS}/rotate"), &body).await
    };
    let (_, key) = rotate("ES384").await;
    assert_eq!(register("ES384").await.0, StatusCode::CREATED);

    // Somebody tidies the folder up.
    let kid = key["kid"].as_str().unwrap();
    std::fs::remove_file(app.setup.folder.path().join(format!("keys/{kid}.pem"))).unwrap();
    let (status, answer) = rotate("ES256").await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::CONFLICT, &json!("keys_folder_invalid")));
    assert!(published(&app).await.contains(&key["kid"]));
    // When the client is gone the key may go.
    let client = app.http.delete(format!("{}/api/v2/clients/ES384", app.management)).bearer_auth(TOKEN);
    assert_eq!(client.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(rotate("ES256").await.0, StatusCode::CREATED);
    assert!(!published(&app).await.contains(&key["kid"]));
    app.stop().await;
}
