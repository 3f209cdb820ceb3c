//! What others wrote, on the terminal of whoever looks at it: it neither steers that nor hides.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::Setup;
use crate::support::process::{Serve, logoutd};
use crate::support::shell::Shell;
use crate::support::{event, eventually};

/// A clear screen, a C1 introducer, an override of the direction, what has no width, a line separator, a tag, a line
/// end with a forged line.
const HOSTILE: &str =
    "a\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\u{200b}\u{feff}\u{61c}\u{2028}\u{e0041}\r\n✓ forged";

/// The same without the controls that ids and names cannot have.
const HOSTILE_NAME: &str = "a\u{202e}\u{2066}\u{200b}\u{feff}\u{61c}\u{2028}\u{e0041}";

/// Written out by hand, apart from the program's own list.
fn does_something(c: char) -> bool {
    let c = u32::from(c);
    (c < 0x20 && c != 0x0a)
        || (0x7f..=0x9f).contains(&c)
        || [0xad, 0x61c, 0xfeff, 0x2028, 0x2029].contains(&c)
        || (0x200b..=0x200f).contains(&c)
        || (0x202a..=0x202e).contains(&c)
        || (0x2060..=0x206f).contains(&c)
        || (0xe0000..=0xe007f).contains(&c)
}

fn assert_harmless(what: &str, shown: &str) {
    assert!(!shown.contains(does_something), "{what}: {shown:?}");
    assert!(!shown.lines().any(|line| line.trim_start().starts_with("✓ forged")), "{what}: {shown}");
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A token that anybody could have made.
fn token() -> String {
    let header = json!({"alg": "RS256", "kid": HOSTILE, "typ": HOSTILE, HOSTILE: HOSTILE});
    let claims = json!({"iss": HOSTILE, "aud": HOSTILE, "sub": HOSTILE, "sid": HOSTILE, "events": {HOSTILE: HOSTILE},
        "jti": HOSTILE, "nonce": HOSTILE, "iat": HOSTILE, "exp": HOSTILE});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.AAAA", part(&header), part(&claims))
}

#[test]
fn a_token_that_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let jwks = folder.path().join("jwks.json");
    fs::write(
        &jwks,
        json!({"keys": [{"kty": "RSA", "kid": HOSTILE, "n": HOSTILE, "e": "AQAB"}]}).to_string(),
    )
    .unwrap();
    for json_wanted in [false, true] {
        let mut command = logoutd();
        command.args(["verify", &token(), "--jwks"]).arg(&jwks).args(["--issuer", "https://op.example.com"]);
        if json_wanted {
            command.arg("--json");
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert_harmless("verify", &text(&output));
        if json_wanted {
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(report["claims"]["sub"], HOSTILE, "escaped, it means the same");
        } else {
            assert!(text(&output).contains("\\u202e"), "it is shown: {}", text(&output));
        }
    }
    // Neither what is no token, nor the name of a file that there is not.
    for arguments in
        [["verify", HOSTILE, "--jwks", jwks.to_str().unwrap()], ["verify", "x", "--jwks", HOSTILE]]
    {
        assert_harmless("verify", &text(&logoutd().args(arguments).output().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_answers_in_tables_and_lists() {
    let rp = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(400).set_body_string(HOSTILE))
        .mount(&rp)
        .await;
    let app = Setup::new().start().await;
    let uri = format!("{}/logout", rp.uri());
    let client = json!({"client_id": HOSTILE_NAME, "name": HOSTILE_NAME, "backchannel_logout_uri": uri,
        "id_token_signed_response_alg": "ES256", "initiators": "all", "session_metadata": true});
    let (status, answer) = app.api(Method::POST, "/clients", Some(client)).await;
    assert_eq!(status, 201, "{answer}");
    let created = event(
        "session.created",
        json!({"sid": HOSTILE_NAME, "sub": HOSTILE_NAME, "clients": [HOSTILE_NAME],
        "session_metadata": {"org": HOSTILE}}),
    );
    app.report(&created).await;
    let shell = Shell::of(&app);
    let mut shown = 0;
    let mut look = |arguments: &[&str]| {
        for arguments in [arguments.to_vec(), [arguments, &["--json"]].concat()] {
            let said = shell.run(&arguments);
            assert_harmless(&arguments.join(" "), &format!("{}{}", said.out, said.err));
            shown += usize::from(said.out.contains("\\u{202e}") || said.out.contains("\\u202e"));
        }
    };
    look(&["sessions", "list", HOSTILE_NAME]);
    look(&["sessions", "show", HOSTILE_NAME]);
    look(&["clients", "list"]);
    look(&["clients", "show", HOSTILE_NAME]);
    look(&["clients", "test", HOSTILE_NAME]);
    look(&["sessions", "revoke", HOSTILE_NAME, "--wait", "10"]);
    look(&["deliveries", "list"]);
    assert_eq!(shown, 14, "each of them shows it, escaped");

    let (_, page) = app.get("/deliveries").await;
    let delivery = page["deliveries"][0]["id"].as_str().unwrap();
    let said = shell.run(&["deliveries", "show", delivery]);
    assert_harmless("deliveries show", &said.out);
    assert!(said.out.contains("\\u{202e}\\u{2066}\\u{200b}"), "the answer is shown: {}", said.out);
    assert!(said.out.contains("│ ✓ forged"), "a line of the answer begins with its mark: {}", said.out);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_a_server() {
    let server = MockServer::start().await;
    let error = json!({"statusCode": 400, "error": "Bad Request", "message": HOSTILE, "errorCode": HOSTILE});
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(400).set_body_json(error))
        .mount(&server)
        .await;
    let list = ["deliveries", "list", "--token", "x", "--server", &server.uri()];
    let output = logoutd().args(list).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_harmless("deliveries list", &text(&output));
    assert!(text(&output).contains("\\u{202e}"), "{}", text(&output));
}

#[test]
fn wrong_arguments() {
    for arguments in [&["deliveries", "list", "--take", HOSTILE][..], &[HOSTILE], &["keys", "list", HOSTILE]]
    {
        let output = logoutd().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        // Line ends are kept here: it is a page of help that repeats what was typed.
        assert!(!text(&output).contains(does_something), "{arguments:?}: {:?}", text(&output));
    }
}

#[test]
fn a_configuration() {
    let escaped: Vec<_> = HOSTILE_NAME.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
    let escaped = escaped.concat();
    let setup = Setup::new().client(&escaped, "https://shop.example.com/logout", "");
    let folder = setup.folder.path().join("a\u{202e}b\nc");
    fs::create_dir(&folder).unwrap();
    let check = |config: &Path, json_wanted: bool| {
        let mut command = logoutd();
        command.args(["check-config", "--config"]).arg(config);
        if json_wanted {
            command.arg("--json");
        }
        command.output().unwrap()
    };
    let named: PathBuf = folder.join("config.toml");
    fs::copy(setup.write(), &named).unwrap();
    for json_wanted in [false, true] {
        let output = check(&named, json_wanted);
        assert!(output.status.success(), "{}", text(&output));
        assert_harmless("check-config", &text(&output));
        assert!(text(&output).contains("202e"), "{}", text(&output));
    }
    let wrong =
        setup.client("b", "https://b.example.com", "id_token_signed_response_alg = \"\\u001b[2J\\u202e\"");
    fs::copy(wrong.write(), &named).unwrap();
    for json_wanted in [false, true] {
        let output = check(&named, json_wanted);
        assert_eq!(output.status.code(), Some(2));
        assert_harmless("check-config", &text(&output));
        assert!(text(&output).contains("202e"), "{}", text(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relying_party_that_is_played() {
    use std::io::{BufRead as _, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let jwks = folder.path().join("jwks.json");
    fs::write(&jwks, json!({"keys": []}).to_string()).unwrap();
    let mut child = logoutd()
        .args(["mock-rp", "--listen", "127.0.0.1:0", "--jwks"])
        .arg(&jwks)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let uri = lines.next().unwrap().rsplit(' ').next().unwrap().to_owned();
    crate::support::http().post(&uri).form(&[("logout_token", token())]).send().await.unwrap();
    let mut shown = String::new();
    for line in lines.by_ref() {
        shown.push_str(&line);
        shown.push('\n');
        if line.contains("\"sub\"") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_harmless("mock-rp", &shown);
    assert!(shown.contains("\\u202e"), "{shown}");
}

/// A file's name is logged where it cannot be used; a line of a log for people is one line all the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_log() {
    for format in ["human", "json"] {
        let setup = Setup::new();
        let config = setup.write();
        drop(Serve::start(&config));
        let name = HOSTILE.replace('/', "");
        fs::write(setup.folder.path().join("keys").join(name), "").unwrap();
        let output = logoutd()
            .args(["serve", "--config"])
            .arg(&config)
            .env("LOGOUTD_LOG__FORMAT", format)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_harmless("serve", &text(&output));

        // And while it runs.
        fs::remove_dir_all(setup.folder.path().join("keys")).unwrap();
        let serve = Serve::start_with(&config, &[("LOGOUTD_LOG__FORMAT", format)]);
        fs::write(setup.folder.path().join("keys").join(HOSTILE.replace('/', "")), "").unwrap();
        eventually(async || serve.log().contains("cannot be used").then_some(())).await;
        assert_harmless(format, &serve.log());
        assert!(serve.log().contains("202e"), "{}", serve.log());
    }
}

/// So that no command prints past what makes text fit to be shown.
#[test]
fn every_command_prints_through_one_module() {
    fn look(folder: &Path, seen: &mut usize) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, seen);
                continue;
            }
            *seen += 1;
            let text = fs::read_to_string(&path).unwrap();
            // The first prints lists, line by line made fit; the second a line of its own that goes away again.
            let exempt = ["terminal.rs", "cli/list.rs", "cli/demo/progress.rs"];
            if exempt.iter().any(|it| path.ends_with(it)) {
                continue;
            }
            for past in ["anstream::", "std::println", "io::stdout()", "io::stderr()"] {
                assert!(!text.contains(past), "{} prints past src/cli/terminal.rs", path.display());
            }
            if ["println!", "eprintln!"].iter().any(|print| text.contains(print)) {
                assert!(text.contains("terminal::"), "{} prints past src/cli/terminal.rs", path.display());
            }
        }
    }
    let mut seen = 0;
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli"), &mut seen);
    assert!(seen > 30, "the commands are no longer where they were ({seen})");
}
