//! API tokens that may report for some sources only.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{made, tokens};
use crate::support::app::{Setup, TestApp};
use crate::support::process::logoutd;

const OURS: &str = "https://op.example.com";
const THEIRS: &str = "https://hr.example.com";

fn event(source: &str, id: &str) -> Value {
    let data = json!({"sid": id, "sub": "alice"});
    json!({"specversion": "1.0", "id": id, "source": source, "type": "session.created", "data": data})
}

fn report(app: &TestApp, base: &str, token: &str, body: &Value) -> RequestBuilder {
    let request = app.http.post(format!("{base}/events")).bearer_auth(token);
    request.header("content-type", "application/json").body(body.to_string())
}

#[tokio::test]
async fn a_token_reports_for_its_sources_only() {
    let setup = Setup::new();
    let config = setup.write();
    let limited = made(&config, &["create:events"], &["--source", OURS, "--source", "urn:op:2"]);
    let any = made(&config, &["create:events"], &[]);
    let app = setup.start().await;

    for base in [&app.server, &app.management] {
        for (body, at) in [
            (event(THEIRS, "s-1"), ""),
            // Byte for byte: what is almost the same URL is another source.
            (event("https://op.example.com/", "s-1"), ""),
            (event("HTTPS://op.example.com", "s-1"), ""),
            (json!([event(OURS, "s-2"), event("urn:op:2", "s-3"), event(THEIRS, "s-1")]), "[2]."),
        ] {
            let (status, answer) = app.send(report(&app, base, &limited.secret, &body)).await;
            assert_eq!((status, &answer["errorCode"]), (StatusCode::FORBIDDEN, &json!("source_not_allowed")));
            let message = answer["message"].as_str().unwrap();
            let expected = format!("{at}source: this API token may not report for ");
            assert!(message.starts_with(&expected), "{message}");
        }
        let binary = report(&app, base, &limited.secret, &json!({"sid": "s-1", "sub": "alice"}))
            .header("ce-specversion", "1.0")
            .header("ce-id", "s-1")
            .header("ce-source", THEIRS)
            .header("ce-type", "session.created");
        let (status, answer) = app.send(binary).await;
        assert_eq!((status, &answer["errorCode"]), (StatusCode::FORBIDDEN, &json!("source_not_allowed")));
    }
    for sid in ["s-1", "s-2", "s-3"] {
        assert_eq!(app.get(&format!("/sessions/{sid}")).await.0, StatusCode::NOT_FOUND, "{sid} was stored");
    }

    for (token, body) in [
        (&limited.secret, json!([event(OURS, "s-2"), event("urn:op:2", "s-3")])),
        (&any.secret, event(THEIRS, "s-1")),
    ] {
        let (status, answer) = app.send(report(&app, &app.server, token, &body)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    }
    app.stop().await;
}

#[test]
fn the_sources_of_a_token_are_shown() {
    let setup = Setup::new();
    let config = setup.write();
    let limited = made(&config, &["create:events"], &["--source", OURS, "--source", "urn:op:2"]);
    let any = made(&config, &["create:events"], &[]);
    let listed: Value = serde_json::from_str(&tokens(&config, &["list", "--json"])).unwrap();
    let sources = |id: &str| {
        let token = listed.as_array().unwrap().iter().find(|token| token["id"] == id).unwrap();
        token["sources"].clone()
    };
    assert_eq!(sources(&limited.id), json!([OURS, "urn:op:2"]));
    assert_eq!(sources(&any.id), Value::Null);
    let table = tokens(&config, &["list"]);
    let heading = table.lines().next().unwrap();
    assert!(heading.contains("SOURCES"), "{heading}");
    assert!(table.contains(&format!("{OURS} urn:op:2")) && table.contains("any"), "{table}");
}

#[test]
fn a_source_that_no_event_can_have_is_refused() {
    let setup = Setup::new();
    let config = setup.write();
    for (source, message) in
        [("", "1 to 255 characters"), (&*"x".repeat(256), "1 to 255 characters"), ("a\nb", "control")]
    {
        let arguments = ["tokens", "create", "--name", "ci", "--scope", "create:events", "--source", source];
        let output = logoutd().args(arguments).arg("--config").arg(&config).output().unwrap();
        let problem = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{problem}");
        assert!(problem.contains(message), "{problem:?} does not say {message:?}");
    }
    let arguments = ["tokens", "create", "--name", "ci", "--scope", "read:logs", "--source", OURS];
    let output = logoutd().args(arguments).arg("--config").arg(&config).output().unwrap();
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{problem}");
    assert!(problem.contains("create:events"), "a limit that limits nothing is a mistake: {problem}");
}
