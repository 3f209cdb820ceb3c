//! The commands behind a proxy of the environment, and URLs with a password in them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Output;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::support::TOKEN;
use crate::support::app::Setup;
use crate::support::process::logoutd;

/// A proxy that answers nothing but an error, and remembers what it was asked.
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = vec![0; 16 * 1024];
                let read = stream.read(&mut head).unwrap_or_default();
                kept.lock().unwrap().push(String::from_utf8_lossy(&head[..read]).into_owned());
                let _ = stream
                    .write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Self { url, asked }
    }

    /// Runs a command whose environment names the proxy in every variable that there is.
    fn run(&self, arguments: &[&str], no_proxy: &str) -> Output {
        let mut command = logoutd();
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env(name, &self.url);
        }
        command
            .env("LOGOUTD_TOKEN", TOKEN)
            .env("NO_PROXY", no_proxy)
            .env_remove("no_proxy")
            .env_remove("REQUEST_METHOD");
        command.args(arguments).output().unwrap()
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_proxy_sees_a_token_or_answers_for_this_machine() {
    let app = Setup::new().start().await;
    let proxy = Proxy::start();
    let port = app.management.rsplit(':').next().unwrap().to_owned();
    for server in [app.management.clone(), format!("http://localhost:{port}")] {
        let output = proxy.run(&["deliveries", "list", "--server", &server], "");
        assert!(output.status.success(), "{server}: {}", said(&output));
        assert_eq!(proxy.asked(), [""; 0], "{server}");
    }
    let jwks = format!("{}/.well-known/jwks.json", app.server);
    let output = proxy.run(&["verify", "x.y.z", "--jwks", &jwks], "");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((said(&output).as_str(), proxy.asked().len()), ("", 0), "the keys were fetched, directly");

    // Elsewhere, without TLS, the proxy would see the token; of this machine's TLS it would see that it is asked for.
    for server in
        ["http://logoutd.invalid:81", "https://127.0.0.1:1", "https://localhost:1", "https://[::1]:1"]
    {
        let output = proxy.run(&["deliveries", "list", "--server", server], "");
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("cannot reach"), "{server}: {}", said(&output));
        assert_eq!(proxy.asked(), [""; 0], "{server}");
    }
    app.stop().await;
}

#[test]
fn over_tls_the_proxy_is_asked_unless_told_otherwise() {
    let proxy = Proxy::start();
    let list = ["deliveries", "list", "--server", "https://logoutd.invalid:8081"];
    assert_eq!(proxy.run(&list, "").status.code(), Some(1));
    let asked = proxy.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("CONNECT logoutd.invalid:8081 HTTP/1.1\r\n"), "{asked:?}");
    assert!(!asked[0].contains(TOKEN), "{asked:?}");
    assert_eq!(proxy.run(&list, "other.example, .invalid").status.code(), Some(1));
    assert_eq!(proxy.asked(), [""; 0]);
}

#[test]
fn a_password_in_a_url_is_repeated_nowhere() {
    const PASSWORD: &str = "hunter2hunter2";
    let with_password = |rest: &str| format!("http://somebody:{PASSWORD}@{rest}");
    let server = with_password("127.0.0.1:1");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({}).to_string()).unwrap();
    for arguments in [
        &["deliveries", "list"][..],
        &["clients", "list"],
        &["events", "send", file.path().to_str().unwrap()],
    ] {
        for variable in [false, true] {
            let mut command = logoutd();
            command.args(arguments).env("LOGOUTD_TOKEN", "x");
            if variable {
                command.env("LOGOUTD_URL", &server);
            } else {
                command.args(["--server", &server]);
            }
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{}", said(&output));
            assert!(
                said(&output).contains("--server (LOGOUTD_URL) must not contain a user name or password")
            );
            assert!(!said(&output).contains(PASSWORD), "{}", said(&output));
        }
    }
    let jwks = with_password("127.0.0.1:1/jwks");
    let output = logoutd().args(["verify", "x.y.z", "--jwks", &jwks]).output().unwrap();
    assert!(said(&output).contains("cannot reach http://127.0.0.1:1/jwks"), "{}", said(&output));
    assert!(!said(&output).contains(PASSWORD));
    // The proxy's own.
    for url in [with_password("127.0.0.1:1"), format!("http://somebody:{PASSWORD}@ho st:x")] {
        let output = logoutd()
            .args(["deliveries", "list", "--token", "x", "--server", "https://logoutd.invalid"])
            .env("HTTPS_PROXY", url)
            .output()
            .unwrap();
        assert_ne!(output.status.code(), Some(0));
        assert!(!said(&output).contains(PASSWORD), "{}", said(&output));
    }
    // The configuration's.
    let setup = Setup::new().with(&format!(
        "[issuer]\nurl = \"https://op.example.com\"\njwks_uri = \"https://somebody:{PASSWORD}@op.example.com/jwks\""
    ));
    let output = logoutd().args(["check-config", "--config"]).arg(setup.write()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("issuer.jwks_uri: must not contain a user name or password"),
        "{}",
        said(&output)
    );
    assert!(!said(&output).contains(PASSWORD));
}
