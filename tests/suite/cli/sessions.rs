//! `logoutd sessions`: sessions from the shell, and their ends.

use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::event;
use crate::support::shell::Shell;

async fn rp(status: u16) -> MockServer {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(status)).mount(&rp).await;
    rp
}

/// A service with a client that is well, one that is down, and one that refuses.
async fn start() -> (TestApp, Shell, [MockServer; 3]) {
    let rps = [rp(200).await, rp(503).await, rp(400).await];
    let all = "initiators = \"all\"";
    let app = Setup::new()
        .with("[delivery]\nschedule = [\"1h\"]")
        .client("shop", &rps[0].uri(), all)
        .client("blog", &rps[1].uri(), all)
        .client("wiki", &rps[2].uri(), all)
        .start()
        .await;
    let shell = Shell::of(&app);
    (app, shell, rps)
}

async fn begin(app: &TestApp, data: Value) {
    let (status, answer) = app.report(&event("session.created", data)).await;
    assert_eq!(status, 202, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_shown() {
    let (app, shell, _rps) = start().await;
    let user = "auth0|a/b";
    for n in 0..120 {
        begin(&app, json!({"sid": format!("s {n:03}"), "sub": user, "clients": ["shop", "blog"]})).await;
    }
    begin(
        &app,
        json!({"sid": "a/../b", "sub": "bob", "clients": ["shop"], "expires_at": "2999-01-01T00:00:00Z",
               "session_metadata": {"org_id": "org_1", "note": "red\u{1b}[31m"}}),
    )
    .await;

    let table = shell.ok(&["sessions", "list", user]);
    assert!(table.starts_with("SESSION "), "{table}");
    for n in 0..120 {
        assert_eq!(table.lines().filter(|row| row.starts_with(&format!("s {n:03} "))).count(), 1, "{n}");
    }
    assert!(table.lines().skip(1).all(|row| row.ends_with("  blog, shop")), "{table}");
    let listed = shell.json(&["sessions", "list", user]);
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 120);
    assert_eq!(shell.ok(&["sessions", "list", "nobody"]), "no sessions\n");
    assert_eq!(shell.json(&["sessions", "list", "nobody"]), json!({"sessions": []}));

    let shown = shell.ok(&["sessions", "show", "a/../b"]);
    for expected in [
        "session           a/../b\n",
        "user              bob\n",
        "until             2999-01-01 00:00:00\n",
        "clients           shop\n",
        "metadata          note = red\\u{1b}[31m\n",
        "metadata          org_id = org_1\n",
    ] {
        assert!(shown.contains(expected), "{expected:?} is not in:\n{shown}");
    }
    assert_eq!(shell.json(&["sessions", "show", "a/../b"])["session_metadata"]["note"], "red\u{1b}[31m");
    assert!(shell.fails(1, &["sessions", "show", "none"]).contains("The session does not exist"));
    assert!(shell.fails(2, &["sessions", "show", "."]).contains("cannot be part of a URL"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_replaced_whole() {
    let (app, shell, _rps) = start().await;
    begin(&app, json!({"sid": "s-1", "sub": "alice", "session_metadata": {"old": "1"}})).await;
    let metadata = || shell.json(&["sessions", "show", "s-1"])["session_metadata"].clone();

    let updated =
        shell.ok(&["sessions", "update", "s-1", "--metadata", "org_id=org_1", "--metadata", "note=a=b, c"]);
    assert!(updated.contains("org_id = org_1\n") && updated.contains("note = a=b, c\n"), "{updated}");
    assert_eq!(metadata(), json!({"org_id": "org_1", "note": "a=b, c"}));

    let said = shell.run_with(&["sessions", "update", "s-1", "--metadata-file", "-"], r#"{"k": "v"}"#);
    assert_eq!((said.code, metadata()), (0, json!({"k": "v"})));
    let file = app.setup.folder.path().join("metadata.json");
    std::fs::write(&file, r#"{"from": "file"}"#).unwrap();
    let updated = shell.json(&["sessions", "update", "s-1", "--metadata-file", file.to_str().unwrap()]);
    assert_eq!(updated["session_metadata"], json!({"from": "file"}));

    for (code, arguments, complaint) in [
        (2, &[][..], "required arguments"),
        (2, &["--metadata", "k=v", "--clear"], "cannot be used with"),
        (2, &["--metadata", "k"], "a key and a value"),
        (2, &["--metadata", "k=1", "--metadata", "k=2"], "`k` more than once"),
        (1, &["--metadata", "a key=v"], "Metadata keys may only include"),
        (1, &["--metadata-file", "/no/such/file"], "cannot read"),
    ] {
        let said = shell.fails(code, &[&["sessions", "update", "s-1"], arguments].concat());
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
    assert_eq!(metadata(), json!({"from": "file"}));
    shell.ok(&["sessions", "update", "s-1", "--clear"]);
    assert_eq!(metadata(), json!({}));
    assert!(shell.fails(1, &["sessions", "update", "none", "--clear"]).contains("404"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_names_its_deliveries_and_can_wait_for_them() {
    let (app, shell, _rps) = start().await;
    for (sid, clients) in [
        ("well", &["shop"][..]),
        ("well too", &["shop"]),
        ("mixed", &["shop", "wiki"]),
        ("late", &["shop", "blog"]),
        ("alone", &[]),
    ] {
        begin(&app, json!({"sid": sid, "sub": "alice", "clients": clients})).await;
    }
    let shown = shell.ok(&["sessions", "delete", "well", "--wait", "20"]);
    let (first, second) = shown.split_once('\n').unwrap();
    assert_eq!(first, "✓ session well has ended");
    let words: Vec<_> = second.split_whitespace().collect();
    assert_eq!(words[..2], ["shop", "delivered"]);
    assert!(shell.ok(&["deliveries", "show", words[2]]).contains("session-revoked"));
    let ended = shell.json(&["sessions", "revoke", "well too", "--wait", "20"]);
    assert_eq!(ended["sessions"], json!(["well too"]));
    assert_eq!(ended["deliveries"][0]["state"], "delivered");

    // One that is refused, and one that is not over in time, are failures that say so.
    let said = shell.run(&["sessions", "revoke", "mixed", "--wait", "20"]);
    assert_eq!((said.code, said.err.as_str()), (1, ""), "{said:?}");
    assert!(said.out.contains("delivered") && said.out.contains("rejected"), "{}", said.out);
    let said = shell.run(&["sessions", "delete", "late", "--wait", "1", "--json"]);
    assert_eq!(said.code, 1, "{said:?}");
    let ended: Value = serde_json::from_str(&said.out).unwrap();
    let deliveries = ended["deliveries"].as_array().unwrap();
    let blog = deliveries.iter().find(|delivery| delivery["client_id"] == "blog").unwrap();
    assert_eq!((deliveries.len(), &blog["state"]), (2, &json!("pending")));

    // Nobody waits unasked, and nobody is told where nobody logged in.
    let shown = shell.ok(&["sessions", "delete", "alone", "--wait", "5"]);
    assert_eq!(shown, "✓ session alone has ended\n  no deliveries\n");
    assert!(shell.ok(&["sessions", "delete", "late"]).contains("blog"));
    assert!(shell.fails(1, &["sessions", "delete", "none"]).contains("The session does not exist"));
    assert!(shell.fails(2, &["sessions", "delete", "late", "--wait", "0"]).contains("0 is not in"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_of_a_user_end_at_once() {
    let (app, shell, rps) = start().await;
    let user = "auth0|a/b c";
    for (sid, sub) in [("s-1", user), ("s-2", user), ("s-3", "bob")] {
        begin(&app, json!({"sid": sid, "sub": sub, "clients": ["shop"]})).await;
    }
    let shown = shell.ok(&["sessions", "delete-all", user, "--wait", "20"]);
    for sid in ["s-1", "s-2"] {
        assert!(shown.contains(&format!("✓ session {sid} has ended\n")), "{shown}");
    }
    assert_eq!(shown.matches(" delivered ").count(), 2, "{shown}");
    assert_eq!(rps[0].received_requests().await.unwrap().len(), 2);
    assert_eq!(shell.ok(&["sessions", "list", user]), "no sessions\n");
    assert!(shell.ok(&["sessions", "list", "bob"]).contains("s-3"));
    assert_eq!(shell.ok(&["sessions", "delete-all", "nobody"]), "the user has no sessions\n");
    assert_eq!(shell.json(&["sessions", "delete-all", "nobody"]), json!({"sessions": [], "deliveries": []}));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_many_pages_waits_for_the_rate_limit() {
    let app = Setup::new().with("[access]\nrate_limit = \"2/s\"").start().await;
    let begins = |n| event("session.created", json!({"sid": format!("s-{n}"), "sub": "alice"}));
    let batch: Vec<Value> = (0..350).map(begins).collect();
    assert_eq!(app.report(&json!(batch)).await.0, 202);
    let listed = Shell::of(&app).json(&["sessions", "list", "alice"]);
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 350);
    app.stop().await;
}
