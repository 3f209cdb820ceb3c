//! TLS on the listeners: who gets in, what is negotiated, and certificates that change while it runs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use reqwest::tls::TlsInfo;
use reqwest::{Client, Version};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::support::app::{Setup, TestApp};
use crate::support::authority::{Authority, Issued, address, write_key};
use crate::support::process::{Serve, logoutd};
use crate::support::{TOKEN, ends, eventually, http};

/// The configuration of a listener with `server.pem` and `server.key` in the setup's folder.
fn section(setup: &Setup, listener: &str, more: &str) -> String {
    let path = |name: &str| setup.folder.path().join(name).display().to_string();
    let (certificate, key) = (path("server.pem"), path("server.key"));
    format!("[{listener}.tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n{more}")
}

/// A setup with TLS on both listeners.
fn setup(issued: &Issued, more: &str) -> Setup {
    let setup = Setup::new();
    issued.write(setup.folder.path(), "server");
    let (server, management) = (section(&setup, "server", more), section(&setup, "management", more));
    setup.with(&server).with(&management)
}

/// A setup whose callers need a certificate of `ca`, which is in `client-ca.pem`.
fn setup_with_client_ca(issued: &Issued, ca: &Authority, demand: &str) -> Setup {
    let setup = Setup::new();
    issued.write(setup.folder.path(), "server");
    let path = setup.folder.path().join("client-ca.pem");
    fs::write(&path, ca.pem()).unwrap();
    let more = format!("client_ca = \"{}\"\n{demand}", path.display());
    let (server, management) = (section(&setup, "server", &more), section(&setup, "management", &more));
    setup.with(&server).with(&management)
}

/// The certificate that a request's connection was made with.
async fn certificate_of(client: &Client, url: &str) -> reqwest::Result<Vec<u8>> {
    let response = client.get(url).send().await?;
    assert_eq!(response.status(), 200);
    let certificate = response.extensions().get::<TlsInfo>().unwrap().peer_certificate().unwrap().to_vec();
    // Read to the end, so that the connection can be used again.
    response.bytes().await?;
    Ok(certificate)
}

/// How many reloads of `listener` came to this.
async fn reloads(client: &Client, management: &str, listener: &str, outcome: &str) -> u64 {
    let text = client.get(format!("{management}/metrics")).send().await.unwrap().text().await.unwrap();
    let series = format!("logoutd_tls_reloads_total{{listener=\"{listener}\",outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)).map_or(0, |count| count.parse().unwrap())
}

fn livez(app: &TestApp) -> String {
    format!("{}/livez", app.management)
}

#[tokio::test]
async fn both_listeners_speak_http_1_and_2_over_tls() {
    let authority = Authority::new("test");
    let app = setup(&authority.issue(), "").start().await;
    for (client, version) in [
        (authority.client(), Version::HTTP_2),
        (authority.client().http1_only(), Version::HTTP_11),
        (authority.client().tls_version_max(reqwest::tls::Version::TLS_1_2), Version::HTTP_2),
    ] {
        let client = client.build().unwrap();
        for url in [format!("{}/.well-known/jwks.json", app.server), livez(&app)] {
            let response = client.get(&url).send().await.unwrap();
            assert_eq!((response.status().as_u16(), response.version()), (200, version), "{url}");
        }
    }
    let metrics = authority.client().build().unwrap().get(format!("{}/metrics", app.management));
    let text = metrics.send().await.unwrap().text().await.unwrap();
    // What the test's certificates have for "never".
    assert!(text.contains("logoutd_tls_certificate_expires_seconds{listener=\"server\"} 67"), "{text}");
    app.stop().await;
}

#[tokio::test]
async fn callers_who_do_not_fit_fail_and_disturb_nobody() {
    let authority = Authority::new("test");
    let app = setup(&authority.issue(), "").start().await;
    assert!(http().get(livez(&app)).send().await.is_err(), "nobody vouches for the certificate");
    let plain = livez(&app).replace("https:", "http:");
    assert!(http().get(plain).send().await.is_err(), "plain HTTP on a listener with TLS");
    assert!(certificate_of(&authority.client().build().unwrap(), &livez(&app)).await.is_ok());
    app.stop().await;
}

#[tokio::test]
async fn silent_peers_hold_nobody_up() {
    let authority = Authority::new("test");
    let app = setup(&authority.issue(), "").start().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(address(&app.management)).await.unwrap());
    }
    // In less than the time one handshake may take.
    let client = authority.client().timeout(Duration::from_secs(5)).build().unwrap();
    assert!(certificate_of(&client, &livez(&app)).await.is_ok());
    app.stop().await;
}

#[tokio::test]
async fn callers_are_asked_for_a_certificate() {
    let (authority, callers, others) =
        (Authority::new("test"), Authority::new("callers"), Authority::new("others"));
    for (demand, without) in [
        ("", false),
        ("client_certificate = \"required\"", false),
        ("client_certificate = \"optional\"", true),
    ] {
        let app = setup_with_client_ca(&authority.issue(), &callers, demand).start().await;
        let gets_in = async |identity: Option<&Issued>| {
            let mut client = authority.client();
            if let Some(issued) = identity {
                client = client.identity(issued.identity());
            }
            certificate_of(&client.build().unwrap(), &livez(&app)).await.is_ok()
        };
        assert_eq!(gets_in(None).await, without, "{demand}");
        assert!(gets_in(Some(&callers.issue())).await, "{demand}");
        assert!(!gets_in(Some(&others.issue())).await, "{demand}");
        app.stop().await;
    }
}

#[tokio::test]
async fn a_replaced_certificate_is_for_new_connections() {
    let authority = Authority::new("test");
    let first = authority.issue();
    let setup = Setup::new();
    // As Kubernetes mounts secrets: everything changes at once when the symlink to the folder does.
    let folder = setup.folder.path().to_owned();
    let version = |name: &str, issued: &Issued| {
        fs::create_dir(folder.join(name)).unwrap();
        issued.write(&folder.join(name), "server");
        symlink(name, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    version("..1", &first);
    for name in ["server.pem", "server.key"] {
        symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
    }
    let management = section(&setup, "management", "");
    let app = setup.with(&management).start().await;

    let old = authority.client().http1_only().build().unwrap();
    assert_eq!(certificate_of(&old, &livez(&app)).await.unwrap(), first.der());
    let second = authority.issue();
    version("..2", &second);
    eventually(async || {
        let new = authority.client().build().unwrap();
        (certificate_of(&new, &livez(&app)).await.unwrap() == second.der()).then_some(())
    })
    .await;
    // It is still on the connection it had.
    assert_eq!(certificate_of(&old, &livez(&app)).await.unwrap(), first.der());
    app.stop().await;
}

#[tokio::test]
async fn a_broken_replacement_changes_nothing() {
    let authority = Authority::new("test");
    let first = authority.issue();
    let app = setup(&first, "").start().await;
    let folder = app.setup.folder.path();
    let http = authority.client().build().unwrap();
    let counted = async |outcome| reloads(&http, &app.management, "server", outcome).await;

    // Some other certificate's key.
    write_key(&folder.join("server.key"), &authority.issue().key);
    eventually(async || (counted("failed").await == 1).then_some(())).await;
    let new = authority.client().build().unwrap();
    let jwks = format!("{}/.well-known/jwks.json", app.server);
    assert_eq!(certificate_of(&new, &jwks).await.unwrap(), first.der());

    let second = authority.issue();
    second.write(folder, "server");
    eventually(async || (counted("loaded").await == 1).then_some(())).await;
    let new = authority.client().build().unwrap();
    assert_eq!(certificate_of(&new, &jwks).await.unwrap(), second.der());
    app.stop().await;
}

#[tokio::test]
async fn replaced_authorities_are_for_new_connections() {
    let (authority, before, after) =
        (Authority::new("test"), Authority::new("before"), Authority::new("after"));
    let app = setup_with_client_ca(&authority.issue(), &before, "").start().await;
    let (old, new) = (before.issue(), after.issue());
    let gets_in = async |issued: &Issued| {
        let client = authority.client().identity(issued.identity()).build().unwrap();
        certificate_of(&client, &livez(&app)).await.is_ok()
    };
    assert!(gets_in(&old).await && !gets_in(&new).await);
    // This client has a session that it could resume.
    let resuming = authority.client().identity(old.identity()).pool_max_idle_per_host(0).build().unwrap();
    assert!(certificate_of(&resuming, &livez(&app)).await.is_ok());

    fs::write(app.setup.folder.path().join("client-ca.pem"), after.pem()).unwrap();
    eventually(async || gets_in(&new).await.then_some(())).await;
    assert!(!gets_in(&old).await);
    assert!(certificate_of(&resuming, &livez(&app)).await.is_err());
    app.stop().await;
}

#[tokio::test]
async fn sighup_loads_the_files_again() {
    let authority = Authority::new("test");
    let setup = setup(&authority.issue(), "");
    let serve = Serve::start(&setup.write());
    let management = serve.management.replace("http:", "https:");
    let http = authority.client().build().unwrap();
    let failed = async || reloads(&http, &management, "management", "failed").await;

    fs::write(setup.folder.path().join("server.pem"), "").unwrap();
    eventually(async || (failed().await == 1).then_some(())).await;
    // Noticed once, and not looked at again; but on request.
    serve.signal("HUP");
    eventually(async || (failed().await == 2).then_some(())).await;
}

#[test]
fn check_config_and_serve_name_the_file_that_cannot_be_used() {
    let authority = Authority::new("test");
    let issued = authority.issue();
    let setup = setup_with_client_ca(&issued, &authority, "");
    let config = setup.write();
    let file = |name: &str| setup.folder.path().join(name);
    let run = |command: &str| {
        let output = logoutd().args([command, "--config"]).arg(&config).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run("check-config"), (Some(0), String::new()));

    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let two_keys = issued.key.repeat(2);
    let other_key = authority.issue().key;
    for (name, content, key, expected) in [
        ("server.pem", None, "certificate", "it cannot be read: No such file"),
        ("server.pem", Some(""), "certificate", "it holds no certificate"),
        ("server.pem", Some(&issued.certificate[..100]), "certificate", "it is damaged PEM"),
        ("server.pem", Some(garbage), "certificate", "its certificate 1 cannot be used"),
        ("server.key", None, "key", "it cannot be read: No such file"),
        ("server.key", Some(&issued.certificate), "key", "it holds no private key"),
        ("server.key", Some(encrypted), "key", "its private key is encrypted; decrypt it with `openssl pkey"),
        ("server.key", Some(&two_keys), "key", "it holds 2 private keys"),
        ("server.key", Some(&other_key), "key", "its private key is not that of the first certificate in "),
        ("client-ca.pem", None, "client_ca", "it cannot be read: No such file"),
        ("client-ca.pem", Some(""), "client_ca", "it holds no certificate"),
        ("client-ca.pem", Some(garbage), "client_ca", "its certificate 1 cannot be used"),
    ] {
        match content {
            Some(content) => write_key(&file(name), content),
            None => fs::remove_file(file(name)).unwrap(),
        }
        for command in ["check-config", "serve"] {
            let (status, said) = run(command);
            assert_eq!(status, Some(2), "{name}: {said}");
            for listener in ["server", "management"] {
                let line = format!(": {listener}.tls.{key}: {}: {expected}", file(name).display());
                assert!(said.contains(&line), "{line} is not in:\n{said}");
            }
            assert!(said.lines().all(|line| line.contains("config.toml:")), "each has its place:\n{said}");
            assert!(!said.contains("AAAA"), "{said}");
        }
        issued.write(setup.folder.path(), "server");
        fs::write(file("client-ca.pem"), authority.pem()).unwrap();
    }

    fs::set_permissions(file("server.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let (status, said) = run("check-config");
    assert_eq!(status, Some(2));
    assert!(
        said.contains("its mode is 0640, so that others can use the key; run `chmod 600` on it"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_reach_a_service_with_tls() {
    let (authority, callers) = (Authority::new("test"), Authority::new("callers"));
    let app = setup_with_client_ca(&authority.issue(), &callers, "").start().await;
    let folder = app.setup.folder.path();
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    callers.issue().write(folder, "me");
    let path = |name: &str| folder.join(name).display().to_string();
    let (ca, certificate, key) = (path("ca.pem"), path("me.pem"), path("me.key"));
    let list = |more: &[&str]| {
        let list = ["deliveries", "list", "--json", "--server", &app.management];
        logoutd().args(list).args(more).env("LOGOUTD_TOKEN", TOKEN).output().unwrap()
    };
    let output = list(&["--ca-file", &ca, "--client-certificate", &certificate, "--client-key", &key]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["deliveries"], serde_json::json!([]));

    for (more, status, expected) in [
        (&["--ca-file", &ca][..], 1, "cannot reach"),
        (&["--client-certificate", &certificate, "--client-key", &key], 1, "cannot reach"),
        (&["--ca-file", &key], 1, "holds no PEM certificate"),
        (&["--ca-file", "/no/such/ca.pem"], 1, "--ca-file /no/such/ca.pem cannot be read"),
        (
            &["--client-certificate", &certificate, "--client-key", &ca],
            1,
            "are not a PEM certificate and its",
        ),
        (&["--client-certificate", &certificate], 2, "--client-key"),
    ] {
        let output = list(more);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(expected), "{expected} is not in {said}");
    }

    // The same from the environment, and for the other commands.
    let event = folder.join("event.json");
    fs::write(&event, ends("s-1", &[]).to_string()).unwrap();
    let output = logoutd()
        .args(["events", "send", "--server", &app.server])
        .arg(&event)
        .env("LOGOUTD_TOKEN", TOKEN)
        .env("LOGOUTD_CA_FILE", &ca)
        .env("LOGOUTD_CLIENT_CERTIFICATE", &certificate)
        .env("LOGOUTD_CLIENT_KEY", &key)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("422"), "it was reached, and refused an event that names nobody: {said}");
    app.stop().await;
}
