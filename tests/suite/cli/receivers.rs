//! The commands for people who receive logout tokens: `mock-rp` and `verify`.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Output, Stdio};

use serde_json::Value;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::Setup;
use crate::support::process::logoutd;
use crate::support::{ISSUER, ends};

/// `logoutd mock-rp`, running.
struct MockRp {
    child: Child,
    uri: String,
    lines: Lines<BufReader<ChildStdout>>,
}

impl MockRp {
    fn start(jwks: &str, more: &[&str]) -> Self {
        let mut child = logoutd()
            .args(["mock-rp", "--listen", "127.0.0.1:0", "--issuer", ISSUER, "--jwks", jwks])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let uri = first.rsplit(' ').next().unwrap().to_owned();
        assert!(uri.starts_with("http://127.0.0.1:"), "{first}");
        Self { child, uri, lines }
    }

    /// What it prints up to the line that has `text` in it.
    fn prints(&mut self, text: &str) -> String {
        let mut printed = String::new();
        for line in self.lines.by_ref().map_while(Result::ok) {
            printed.push_str(&line);
            printed.push('\n');
            if line.contains(text) {
                return printed;
            }
        }
        panic!("{text:?} is not in:\n{printed}");
    }
}

impl Drop for MockRp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A setup whose keys exist, and the file that has their public halves.
async fn setup_with_jwks() -> (Setup, String) {
    let app = Setup::new().start().await;
    let jwks = app.jwks().await.to_string();
    let setup = app.stop().await;
    let file = setup.folder.path().join("jwks.json");
    std::fs::write(&file, jwks).unwrap();
    (setup, file.display().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mock_rp_verifies_prints_and_answers_as_told() {
    let (setup, jwks) = setup_with_jwks().await;
    let mut fine = MockRp::start(&jwks, &["--client-id", "fine"]);
    let mut failing = MockRp::start(&jwks, &["--behaviour", "fail-first=1"]);
    let mut other = MockRp::start(&jwks, &["--client-id", "somebody-else"]);
    let app = setup
        .client("fine", &fine.uri, "session_metadata = true")
        .client("failing", &failing.uri, "")
        .client("other", &other.uri, "")
        .start()
        .await;
    let outcome = app.outcome(&ends("s-1", &["fine", "failing", "other"]), 20).await;
    let expected = [("failing", "delivered"), ("fine", "delivered"), ("other", "rejected")];
    assert_eq!(outcome, expected.map(|(id, state)| (id.to_owned(), state.to_owned())));

    assert!(fine.prints("\"sub\"").contains("a valid logout token, answered 200"));
    assert!(failing.prints("answered 503").contains("a valid logout token"));
    assert!(failing.prints("answered 200").contains("a valid logout token"));
    assert!(other.prints("aud:").contains("not valid, answered 400"));
    app.stop().await;
}

#[test]
fn a_behaviour_that_does_not_exist_is_wrong_usage() {
    let output = logoutd().args(["mock-rp", "--behaviour", "slow=5s"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("slow wants milliseconds"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_explains_a_token_rule_by_rule() {
    let (setup, jwks) = setup_with_jwks().await;
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let app = setup.client("shop", &format!("{}/logout", rp.uri()), "").start().await;
    app.outcome(&ends("s-1", &["shop"]), 10).await;
    let body = String::from_utf8(rp.received_requests().await.unwrap()[0].body.clone()).unwrap();
    let token = body.strip_prefix("logout_token=").unwrap();

    // As an argument, against the service's own JWKS.
    let url = format!("{}/.well-known/jwks.json", app.server);
    let output = verify("", &[token, "--jwks", &url, "--issuer", ISSUER, "--client-id", "shop"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("\"sid\": \"s-1\"") && said.contains("✓ valid"), "{said}");

    // From standard input as it was posted, against a file, with something wrong: every rule is there.
    let tampered = format!("{}AAAA", &body[..body.len() - 4]);
    let output = verify(&tampered, &["--jwks", &jwks, "--client-id", "blog", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["valid"], false);
    let failed: Vec<_> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["outcome"] == "fail")
        .map(|check| check["rule"].as_str().unwrap())
        .collect();
    assert_eq!(failed, ["signature", "aud"]);
    app.stop().await;

    // Without keys nothing can be said.
    for (place, expected) in [("/no/such/jwks.json", "cannot be read"), (url.as_str(), "cannot reach")] {
        let output = verify(token, &["--jwks", place]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{said}");
    }
}

fn verify(input: &str, arguments: &[&str]) -> Output {
    let mut child = logoutd()
        .arg("verify")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have no need of its input, and be gone.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}
