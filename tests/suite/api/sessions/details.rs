//! What a source tells of a session besides whose it is: shown in Auth0's members, and nowhere else.

use reqwest::StatusCode;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::shell::Shell;
use crate::support::validator::validate;
use crate::support::{ISSUER, event};

/// Every member there is.
fn details() -> Value {
    json!({
        "device": {
            "initial_user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
            "initial_ip": "192.0.2.1",
            "initial_asn": "64496",
            "last_user_agent": "Mozilla/5.0 (Android 16)",
            "last_ip": "2001:db8::1",
            "last_asn": "64497",
        },
        "authentication": {"methods": [
            {"name": "pwd", "timestamp": "2026-01-01T00:00:00.5Z"},
            {"name": "mfa", "timestamp": "2026-01-01T00:00:10Z", "type": "otp"},
            {"name": "https://op.example.com/kiosk"},
        ]},
        "last_interacted_at": "2026-01-01T00:01:00Z",
        "cookie": {"mode": "non-persistent"},
    })
}

fn created(sid: &str, details: &Value) -> Value {
    let mut data =
        json!({"sid": sid, "sub": "alice", "clients": ["shop"], "session_metadata": {"org_id": "o"}});
    data.as_object_mut().unwrap().extend(details.as_object().unwrap().clone());
    event("session.created", data)
}

async fn report(app: &TestApp, event: &Value) {
    let (status, answer) = app.report(event).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
}

fn same_instant(a: &Value, b: &Value) -> bool {
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    time(a) == time(b)
}

#[tokio::test]
async fn what_was_told_is_shown_after_a_restart_too_and_is_in_no_token() {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let setup = Setup::new().client("shop", &rp.uri(), "initiators = \"all\"\nsession_metadata = true");
    let app = setup.start().await;
    report(&app, &created("s-1", &details())).await;
    report(&app, &created("s-2", &json!({}))).await;
    let app = app.stop().await.start().await;

    let (_, session) = app.get("/sessions/s-1").await;
    let told = details();
    assert_eq!(session["device"], told["device"]);
    assert_eq!(session["cookie"], told["cookie"]);
    assert!(same_instant(&session["last_interacted_at"], &told["last_interacted_at"]), "{session}");
    let (shown, methods) = (&session["authentication"]["methods"], &told["authentication"]["methods"]);
    assert_eq!(shown.as_array().unwrap().len(), 3);
    for index in 0..3 {
        assert_eq!(shown[index]["name"], methods[index]["name"]);
        assert_eq!(shown[index].get("type"), methods[index].get("type"));
        match methods[index].get("timestamp") {
            Some(at) => assert!(same_instant(&shown[index]["timestamp"], at), "{session}"),
            None => assert_eq!(shown[index].get("timestamp"), None),
        }
    }
    let (_, page) = app.get("/users/alice/sessions").await;
    assert!(page["sessions"].as_array().unwrap().contains(&session), "a list shows it as well: {page}");
    let (_, bare) = app.get("/sessions/s-2").await;
    for member in ["device", "authentication", "cookie", "last_interacted_at"] {
        assert_eq!(bare.get(member), None);
    }

    let end = event("session.terminated", json!({"sid": "s-1", "initiator": "rp-logout"}));
    assert_eq!(app.outcome(&end, 10).await[0].1, "delivered");
    let token = validate(&rp.received_requests().await.unwrap()[0].body, ISSUER, "shop", &app.jwks().await);
    let claims: Vec<_> = token.claims.keys().map(String::as_str).collect();
    assert_eq!(claims, ["aud", "events", "exp", "iat", "iss", "jti", "session_metadata", "sid", "sub"]);
    assert_eq!(token.claims["session_metadata"], json!({"org_id": "o"}));
    app.stop().await;
}

#[tokio::test]
async fn each_member_is_replaced_whole_and_by_itself() {
    let app = Setup::new().client("shop", "https://rp.example.com/", "").start().await;
    report(&app, &created("s-1", &details())).await;
    let (_, before) = app.get("/sessions/s-1").await;
    for (member, value) in [
        ("device", json!({"last_ip": "198.51.100.7"})),
        ("authentication", json!({"methods": []})),
        ("last_interacted_at", json!("2026-02-01T00:00:00Z")),
        ("cookie", json!({"mode": "persistent"})),
    ] {
        let (_, before) = app.get("/sessions/s-1").await;
        report(&app, &event("session.updated", json!({"sid": "s-1", member: value}))).await;
        let (_, after) = app.get("/sessions/s-1").await;
        if member == "last_interacted_at" {
            assert!(same_instant(&after[member], &value), "{after}");
        } else {
            assert_eq!(after[member], value);
        }
        for other in ["device", "authentication", "last_interacted_at", "cookie", "session_metadata"] {
            assert!(other == member || after[other] == before[other], "{member} changed {other}: {after}");
        }
    }
    // A second report of the beginning adds to what is known, and takes nothing away.
    report(&app, &created("s-1", &json!({"device": before["device"]}))).await;
    let (_, after) = app.get("/sessions/s-1").await;
    assert_eq!((&after["device"], &after["cookie"]), (&before["device"], &json!({"mode": "persistent"})));
    // To tell nothing is no update.
    let nothing = json!({"sid": "s-1", "device": null, "cookie": null});
    let (status, error) = app.report(&event("session.updated", nothing)).await;
    assert_eq!((status, error["errorCode"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_body")));
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_named() {
    let app = Setup::new().client("shop", "https://rp.example.com/", "").start().await;
    let long = "m".repeat(256);
    for (details, message) in [
        (json!({"device": "laptop"}), "data.device: "),
        (json!({"device": ["laptop"]}), "data.device: "),
        (json!({"cookie": ["persistent"]}), "data.cookie: "),
        (json!({"authentication": {"methods": [["pwd"]]}}), "data.authentication.methods[0]: "),
        (json!({"device": {"ip": "192.0.2.1"}}), "data.device.ip: unknown field"),
        (
            json!({"device": {"initial_ip": "192.0.2.1:443"}}),
            "data.device.initial_ip: must be an IPv4 or IPv6 address",
        ),
        (json!({"device": {"last_ip": "localhost"}}), "data.device.last_ip: must be an IPv4 or IPv6 address"),
        (
            json!({"device": {"last_asn": "9".repeat(33)}}),
            "data.device.last_asn: must have 1 to 32 characters",
        ),
        (json!({"authentication": {}}), "data.authentication: missing field `methods`"),
        (
            json!({"authentication": {"methods": [{"name": ""}]}}),
            "data.authentication.methods[0].name: must have 1 to 255",
        ),
        (
            json!({"authentication": {"methods": [{"name": "mfa", "type": long}]}}),
            "data.authentication.methods[0].type: must have 1 to 255",
        ),
        (
            json!({"authentication": {"methods": [{"name": "pwd", "timestamp": "now"}]}}),
            "data.authentication.methods[0].timestamp: must be an RFC 3339 time",
        ),
        (
            json!({"authentication": {"methods": vec![json!({"name": "pwd"}); 51]}}),
            "data.authentication.methods: must have at most 50 methods, and has 51",
        ),
        (json!({"last_interacted_at": 1}), "data.last_interacted_at: "),
        (json!({"cookie": {"mode": "session"}}), "data.cookie.mode: unknown variant"),
    ] {
        let (status, error) = app.report(&created("s-1", &details)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{details}: {error}");
        assert!(error["message"].as_str().unwrap().starts_with(message), "{details}: {error}");
    }
    assert_eq!(app.get("/sessions/s-1").await.0, StatusCode::NOT_FOUND);
    app.stop().await;
}

/// A user chooses the user agent: a long one must not keep the session unknown.
#[tokio::test]
async fn a_user_agent_is_cut_and_never_refused() {
    let app = Setup::new().client("shop", "https://rp.example.com/", "").start().await;
    let long = format!("\u{1b}[2J{}", "ü".repeat(20_000));
    report(&app, &created("s-1", &json!({"device": {"initial_user_agent": long, "last_user_agent": ""}})))
        .await;
    let (_, session) = app.get("/sessions/s-1").await;
    assert_eq!(session["device"]["initial_user_agent"], format!("[2J{}", "ü".repeat(509)));
    assert_eq!(session["device"]["last_user_agent"], "");
    app.stop().await;
}

#[tokio::test]
async fn details_are_part_of_what_an_event_says() {
    let app = Setup::new().client("shop", "https://rp.example.com/", "").start().await;
    let event = created("s-1", &details());
    report(&app, &event).await;
    assert_eq!(app.report(&event).await.1["duplicate"], true);
    for member in ["device", "authentication", "last_interacted_at", "cookie"] {
        let mut other = event.clone();
        other["data"].as_object_mut().unwrap().remove(member);
        assert_eq!(app.report(&other).await.0, StatusCode::CONFLICT, "{member}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_shown_in_the_shell() {
    let app = Setup::new().client("shop", "https://rp.example.com/", "").start().await;
    report(&app, &created("s-1", &details())).await;
    let shown = Shell::of(&app).ok(&["sessions", "show", "s-1"]);
    for (name, value) in [
        ("last seen", "2026-01-01 00:01:00"),
        ("initial ip", "192.0.2.1"),
        ("last user agent", "Mozilla/5.0 (Android 16)"),
        ("method", "pwd, 2026-01-01 00:00:00"),
        ("method", "mfa (otp), 2026-01-01 00:00:10"),
        ("method", "https://op.example.com/kiosk"),
        ("cookie", "non-persistent"),
    ] {
        let row = format!("{name:<17} {value}");
        assert!(shown.lines().any(|line| line.trim_end() == row), "{row}\n{shown}");
    }
    app.stop().await;
}
