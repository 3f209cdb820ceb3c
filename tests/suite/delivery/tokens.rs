//! What a token looks like is each client's choice; every shape passes the strict validator.

use serde_json::json;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::Setup;
use crate::support::validator::validate;
use crate::support::{ISSUER, ends};

#[tokio::test]
async fn every_algorithm_signs_a_valid_token() {
    let algs = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(204)).mount(&rp).await;
    let mut setup = Setup::new();
    let keys = setup.folder.path().join("keys").display().to_string();
    setup = setup.with(&format!("[keys]\ndirectory = \"{keys}\"\nalgorithms = {}", json!(algs)));
    for alg in algs {
        let uri = format!("{}/{alg}", rp.uri());
        setup = setup.client(alg, &uri, &format!("id_token_signed_response_alg = \"{alg}\""));
    }
    let app = setup.start().await;
    let outcome = app.outcome(&ends("s-1", &algs), 20).await;
    assert!(outcome.iter().all(|(_, state)| state == "delivered"), "{outcome:?}");

    let jwks = app.jwks().await;
    for request in rp.received_requests().await.unwrap() {
        let alg = request.url.path().trim_start_matches('/');
        let token = validate(&request.body, ISSUER, alg, &jwks);
        assert_eq!(token.header["alg"], alg);
    }
    app.stop().await;
}

#[tokio::test]
async fn typ_subject_and_ttl_are_the_clients() {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let uri = |path: &str| format!("{}/{path}?tenant=a%2Fb", rp.uri());
    let app = Setup::new()
        .client("jwt", &uri("jwt"), "token = { typ = \"JWT\", subject = \"sid\", ttl = \"30s\" }")
        .client("none", &uri("none"), "token = { typ = \"none\", subject = \"sub\" }")
        .client(
            "both",
            &uri("both"),
            "backchannel_logout_session_required = true\ntoken = { subject = \"sid+sub\" }",
        )
        .start()
        .await;
    app.outcome(&ends("s-1", &["jwt", "none", "both"]), 10).await;

    let jwks = app.jwks().await;
    let requests = rp.received_requests().await.unwrap();
    let request = |path: &str| requests.iter().find(|it| it.url.path() == format!("/{path}")).unwrap();
    for (client_id, typ, sid, sub, ttl) in [
        ("jwt", Some("JWT"), true, false, 30),
        ("none", None, false, true, 120),
        ("both", Some("logout+jwt"), true, true, 120),
    ] {
        let request = request(client_id);
        assert_eq!(request.url.query(), Some("tenant=a%2Fb"));
        let token = validate(&request.body, ISSUER, client_id, &jwks);
        assert_eq!(token.header.get("typ").map(|it| it.as_str().unwrap()), typ, "{client_id}");
        assert_eq!((token.claims.contains_key("sid"), token.claims.contains_key("sub")), (sid, sub));
        assert_eq!(token.claims["exp"].as_i64().unwrap() - token.claims["iat"].as_i64().unwrap(), ttl);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_key_that_is_dropped_into_the_folder_is_published() {
    let app = Setup::new().start().await;
    let before = app.jwks().await["keys"].as_array().unwrap().len();
    let keys = app.setup.folder.path().join("keys");
    // Written as an operator's tool would: elsewhere first, then moved.
    let random = ring::rand::SystemRandom::new();
    let pkcs8 = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", pkcs8.as_ref()));
    write_private(&keys.join(".incoming"), &pem);
    std::fs::rename(keys.join(".incoming"), keys.join("dropped-in.pem")).unwrap();

    let jwks = crate::support::eventually(async || {
        let jwks = app.jwks().await;
        (jwks["keys"].as_array().unwrap().len() > before).then_some(jwks)
    })
    .await;
    assert!(jwks["keys"].as_array().unwrap().iter().any(|key| key["kid"] == "dropped-in"));
    app.stop().await;
}

fn write_private(path: &std::path::Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
