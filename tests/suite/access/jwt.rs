//! Access tokens of an issuer: whose, signed how, saying what.

use std::sync::{Arc, Mutex};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::StatusCode;
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::read_deliveries;
use crate::support::app::{Setup, TestApp};
use crate::support::process::logoutd;
use crate::support::raw_rp::{Endless, RawRp, Trick};
use crate::support::{TOKEN, eventually};

const AUDIENCE: &str = "https://logoutd.example.com";

/// A key of the issuer's.
struct Key {
    alg: Algorithm,
    kid: String,
    private: EncodingKey,
}

impl Key {
    /// Makes one, with the program's own command.
    fn make(alg: Algorithm, kid: &str) -> Self {
        logoutd::keyring::provider::install();
        let setup = Setup::new();
        let name = format!("{alg:?}");
        let arguments = ["keys", "generate", "--alg", &name, "--kid", kid, "--config"];
        assert!(logoutd().args(arguments).arg(setup.write()).output().unwrap().status.success());
        let text = std::fs::read(setup.folder.path().join("keys").join(format!("{kid}.pem"))).unwrap();
        let der = pem::parse(text).unwrap().into_contents();
        let private = match alg {
            Algorithm::RS256 => EncodingKey::from_rsa_der(&der),
            Algorithm::ES256 => EncodingKey::from_ec_der(&der),
            _ => EncodingKey::from_ed_der(&der),
        };
        Self { alg, kid: kid.to_owned(), private }
    }

    fn jwk(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.private, self.alg).unwrap()).unwrap();
        jwk["kid"] = json!(self.kid);
        jwk
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(self.alg) };
        jsonwebtoken::encode(&header, claims, &self.private).unwrap()
    }
}

/// An issuer, whose keys can be changed.
struct Issuer {
    server: MockServer,
    keys: Arc<Mutex<Value>>,
}

impl Issuer {
    /// One with these keys, and a discovery document that says `issuer`, or else what is right.
    async fn start(keys: &[&Key], issuer: Option<&str>) -> Self {
        let server = MockServer::start().await;
        let uri = server.uri();
        let document = json!({"issuer": issuer.unwrap_or(&uri), "jwks_uri": format!("{uri}/jwks")});
        Mock::given(path("/.well-known/openid-configuration"))
            .respond_with(ResponseTemplate::new(200).set_body_json(document))
            .mount(&server)
            .await;
        let published = Arc::new(Mutex::new(Value::Null));
        let answer = Arc::clone(&published);
        Mock::given(path("/jwks"))
            .respond_with(move |_: &Request| {
                ResponseTemplate::new(200).set_body_json(&*answer.lock().unwrap())
            })
            .mount(&server)
            .await;
        let issuer = Self { server, keys: published };
        issuer.publish(keys);
        issuer
    }

    /// Makes these its keys from now on.
    fn publish(&self, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        *self.keys.lock().unwrap() = json!({ "keys": keys });
    }

    fn uri(&self) -> String {
        self.server.uri()
    }
}

async fn service(issuer: &str) -> TestApp {
    limited_service(issuer, "off").await
}

/// One that takes so many failed attempts.
async fn limited_service(issuer: &str, failed_attempts: &str) -> TestApp {
    let jwt = format!("[access.jwt]\nissuer = \"{issuer}\"\naudience = \"{AUDIENCE}\"");
    Setup::new().with(&format!("[access]\nfailed_attempts = \"{failed_attempts}\"\n{jwt}")).start().await
}

fn claims(issuer: &str) -> Value {
    let now = jiff::Timestamp::now().as_second();
    json!({
        "iss": issuer, "aud": [AUDIENCE, "another"], "sub": "auth0|alice", "azp": "spa", "iat": now,
        "exp": now + 300, "permissions": ["read:deliveries"],
    })
}

/// Each user and client has ids of its own for the events it reports.
#[tokio::test]
async fn bearers_of_access_tokens_are_reporters_of_their_own() {
    let key = Key::make(Algorithm::ES256, "key");
    let idp = Issuer::start(&[&key], None).await;
    let app = service(&idp.uri()).await;
    let bearer = |sub: &str, client: &str| {
        let mut claims = claims(&idp.uri());
        claims["sub"] = json!(sub);
        claims["azp"] = json!(client);
        claims["permissions"] = json!(["create:events"]);
        key.sign(&claims)
    };
    let created = |sid: &str| {
        let data = json!({"sid": sid, "sub": "alice"});
        json!({"specversion": "1.0", "id": "evt-1", "source": "s", "type": "session.created", "data": data})
    };
    let report = async |token: &str, sid: &str| {
        let request = app.http.post(format!("{}/events", app.server)).bearer_auth(token);
        let request = request.header("content-type", "application/json").body(created(sid).to_string());
        let (status, answer) = app.send(request).await;
        (status.as_u16(), answer["duplicate"].as_bool())
    };
    let reporters = [bearer("op", "a"), bearer("op", "b"), bearer("hr", "a"), TOKEN.to_owned()];
    for (n, token) in reporters.iter().enumerate() {
        assert_eq!(report(token, &format!("s-{n}")).await, (202, Some(false)));
    }
    // A new token of the same bearer goes on with its ids.
    for (n, token) in [bearer("op", "a"), bearer("op", "b"), bearer("hr", "a")].iter().enumerate() {
        assert_eq!(report(token, &format!("s-{n}")).await, (202, Some(true)));
        assert_eq!(report(token, "another").await, (409, None));
    }
    app.stop().await;
}

async fn ask(app: &TestApp, token: &str) -> (StatusCode, Value) {
    app.send(read_deliveries(app, token)).await
}

#[tokio::test]
async fn access_tokens_of_every_alg_are_taken_and_nothing_else_is() {
    let keys =
        [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA].map(|alg| Key::make(alg, &format!("{alg:?}")));
    let [rsa, ec, ed] = &keys;
    let idp = Issuer::start(&[rsa, ec, ed], None).await;
    let app = service(&idp.uri()).await;
    let good = claims(&idp.uri());
    for key in &keys {
        let (status, answer) = ask(&app, &key.sign(&good)).await;
        assert_eq!(status, StatusCode::OK, "{} {answer}", key.kid);
    }
    assert_eq!(ask(&app, TOKEN).await.0, StatusCode::OK);

    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let unknown = Key::make(Algorithm::ES256, "unknown");
    let impostor = Key { kid: ec.kid.clone(), ..Key::make(Algorithm::ES256, "impostor") };
    let swapped = Key { kid: rsa.kid.clone(), alg: ec.alg, private: ec.private.clone() };
    let unsigned = {
        let token = ec.sign(&good);
        let (_, claims) = token.rsplit_once('.').unwrap().0.split_once('.').unwrap();
        // {"alg":"none"}
        format!("eyJhbGciOiJub25lIn0.{claims}.")
    };
    for (token, message) in [
        (unknown.sign(&good), "The access token is not valid"),
        (impostor.sign(&good), "The access token is not valid"),
        (swapped.sign(&good), "The access token is not valid"),
        (unsigned, "The access token is not valid"),
        (ec.sign(&changed("aud", json!("another"))), "The access token is not valid"),
        (ec.sign(&changed("iss", json!("https://idp.example.com"))), "The access token is not valid"),
        (ec.sign(&changed("nbf", json!(good["exp"]))), "The access token is not valid"),
        (ec.sign(&changed("exp", json!(1_700_000_000))), "The access token has expired"),
        ("not.a.token".to_owned(), "The access token is not valid"),
    ] {
        let (status, answer) = ask(&app, &token).await;
        assert_eq!((status, &answer["message"]), (StatusCode::UNAUTHORIZED, &json!(message)), "{token}");
        assert_eq!(answer["errorCode"], "invalid_token");
    }
    let (status, answer) = ask(&app, &ec.sign(&changed("permissions", json!(["read:everything"])))).await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::FORBIDDEN, &json!("insufficient_scope")));
    let mut by_scope = changed("permissions", Value::Null);
    by_scope["scope"] = json!("openid read:deliveries");
    assert_eq!(ask(&app, &ec.sign(&by_scope)).await.0, StatusCode::OK);
    app.stop().await;
}

#[tokio::test]
async fn a_new_key_is_found_when_a_token_names_it() {
    let (old, new) = (Key::make(Algorithm::ES256, "old"), Key::make(Algorithm::ES256, "new"));
    let idp = Issuer::start(&[&old], None).await;
    let app = service(&idp.uri()).await;
    let good = claims(&idp.uri());
    assert_eq!(ask(&app, &old.sign(&good)).await.0, StatusCode::OK);
    idp.publish(&[&new, &old]);
    assert_eq!(ask(&app, &new.sign(&good)).await.0, StatusCode::OK);
    assert_eq!(ask(&app, &old.sign(&good)).await.0, StatusCode::OK);
    app.stop().await;
}

#[tokio::test]
async fn without_keys_nobody_is_blamed() {
    let key = Key::make(Algorithm::ES256, "k");
    let idp = MockServer::start().await;
    // Nor is it a failed attempt: the limit is not come to.
    let app = limited_service(&idp.uri(), "2/m").await;
    for _ in 0..4 {
        let (status, answer) = ask(&app, &key.sign(&claims(&idp.uri()))).await;
        assert_eq!(
            (status, &answer["errorCode"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("keys_unavailable"))
        );
    }
    assert_eq!(ask(&app, TOKEN).await.0, StatusCode::OK);
    app.stop().await;
}

#[tokio::test]
async fn keys_that_never_come_are_not_waited_for_byte_by_byte() {
    let key = Key::make(Algorithm::ES256, "k");
    for (first, piece) in [
        ("", "HTTP/1.1 103 E\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\n", "x: y\r\n"),
        ("HTTP/1.1 200 OK\r\n\r\n{\"keys\": [", " "),
    ] {
        let (first, piece) = (first.as_bytes(), piece.as_bytes());
        let idp = RawRp::start(Trick::Repeats(Endless { first, piece, pause: None }));
        let jwt = format!(
            "issuer = \"https://idp.example.com\"\naudience = \"{AUDIENCE}\"\njwks_uri = \"{}\"",
            idp.uri()
        );
        let app = Setup::new().with(&format!("[access.jwt]\n{jwt}")).start().await;
        let (status, _) = ask(&app, &key.sign(&claims("https://idp.example.com"))).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        eventually(async || (idp.open() == 0).then_some(())).await;
        // 256 KiB of a document, 128 KiB around it, what is read ahead, and what the kernel holds on both sides.
        let (sent, requests) = (idp.bytes_sent(), idp.requests());
        assert!(
            sent <= requests * (256 + 128 + 64 + 2 * (64 + 8)) * 1024,
            "{sent} bytes in {requests} answers"
        );
        app.stop().await;
    }
}

#[tokio::test]
async fn the_discovery_document_must_be_the_issuers() {
    let key = Key::make(Algorithm::ES256, "k");
    let idp = Issuer::start(&[&key], Some("https://idp.example.com")).await;
    let app = service(&idp.uri()).await;
    let (status, _) = ask(&app, &key.sign(&claims(&idp.uri()))).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    app.stop().await;
}

#[tokio::test]
async fn a_right_access_token_is_not_refused_for_what_its_neighbour_guesses() {
    let (key, impostor) = (Key::make(Algorithm::ES256, "k"), Key::make(Algorithm::ES256, "k"));
    let idp = Issuer::start(&[&key], None).await;
    let app = limited_service(&idp.uri(), "2/h").await;
    let good = claims(&idp.uri());
    for expected in [401, 401, 429, 429] {
        assert_eq!(ask(&app, &impostor.sign(&good)).await.0, expected);
    }
    for subject in ["auth0|alice", "auth0|bob"] {
        let mut good = good.clone();
        good["sub"] = json!(subject);
        let token = key.sign(&good);
        for _ in 0..2 {
            assert_eq!(ask(&app, &token).await.0, StatusCode::OK);
        }
    }
    let mut expired = good.clone();
    expired["exp"] = json!(1_700_000_000);
    assert_eq!(ask(&app, &key.sign(&expired)).await.0, StatusCode::TOO_MANY_REQUESTS);
    app.stop().await;
}
