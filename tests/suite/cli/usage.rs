//! The commands, as a person types them.

use std::process::Output;

use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::Setup;
use crate::support::process::{Serve, logoutd};
use crate::support::{TOKEN, ends};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(arguments: &[&str]) -> Output {
    logoutd().args(arguments).output().unwrap()
}

#[test]
fn the_demo_keeps_its_promises() {
    let output = run(&["demo", "--once"]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    assert!(!shown.contains('\u{1b}'), "colours are for terminals");
    for expected in ["shop", "blog", "wiki", "session_metadata", "org_def456", "next attempt"] {
        assert!(shown.contains(expected), "{expected} is not in:\n{shown}");
    }
    assert!(!shown.contains('✗'), "{shown}");
}

#[test]
fn wrong_usage_and_configuration_exit_with_2() {
    for arguments in [
        &["no-such-command"][..],
        &["serve", "--no-such-flag"],
        &["serve", "--config", "/no/such/config.toml"],
        &["check-config", "--config", "/no/such/config.toml"],
        &["keys", "list", "--config", "/no/such/config.toml"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(!output.stderr.is_empty() || !output.stdout.is_empty());
    }
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}

#[test]
fn check_config_sums_up_or_says_what_is_wrong_and_where() {
    let setup = Setup::new().client("shop", "https://shop.example.com/logout", "");
    let path = setup.write();
    let check = |more: &[&str]| {
        let path = path.to_str().unwrap();
        run(&[&["check-config", "--config", path], more].concat())
    };
    let output = check(&[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("https://op.example.com"));
    let output = check(&["--json"]);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["clients"][0]["client_id"], "shop");
    // Nothing was made by looking.
    assert!(!setup.folder.path().join("keys").exists());

    let setup = setup
        .with("[egress]\nallow_http = false")
        .client("plain", "http://plain.example.com/", "")
        .client("inside", "https://10.0.0.1/", "")
        .client("odd", "https://odd.example.com/", "id_token_signed_response_alg = \"ES384\"");
    setup.write();
    let output = check(&[]);
    assert_eq!(output.status.code(), Some(2));
    let problems = text(&output.stderr);
    for expected in [
        "clients[1].backchannel_logout_uri: must be an https URI",
        "clients[2].backchannel_logout_uri: 10.0.0.1 is a private address",
        "clients[3].id_token_signed_response_alg: ",
    ] {
        assert!(problems.contains(expected), "{expected:?} is not in:\n{problems}");
    }
    let with_place = problems.lines().filter(|line| line.contains("config.toml:")).count();
    assert_eq!(with_place, 3, "{problems}");
    let output = check(&["--json"]);
    let problems: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(problems["problems"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_sent_from_the_shell() {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let setup = Setup::new().client("shop", &format!("{}/logout", rp.uri()), "");
    let serve = Serve::start(&setup.write());
    let file = setup.folder.path().join("event.json");
    std::fs::write(&file, ends("s-1", &["shop"]).to_string()).unwrap();
    let send = |token: &str, more: &[&str]| {
        logoutd()
            .args(["events", "send", "--server", &serve.server, file.to_str().unwrap()])
            .args(more)
            .env("LOGOUTD_TOKEN", token)
            .output()
            .unwrap()
    };

    let output = send(TOKEN, &["--wait", "10"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(shown.contains("shop") && shown.contains("delivered"), "{shown}");
    let output = send(TOKEN, &["--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["duplicate"], true);

    let output = send("wrong", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("The API token is not valid"), "{}", text(&output.stderr));

    std::fs::write(&file, json!({"specversion": "1.0"}).to_string()).unwrap();
    let output = send(TOKEN, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("missing field `id`"), "{}", text(&output.stderr));
}
