//! What is parsed, and the errors for what is not.

use serde_json::{Value, json};

use super::batch::parse_batch;
use super::binary::parse_binary;
use super::*;
use crate::domain::event::{EventBody, Target};
use crate::domain::ids::Sub;
use crate::domain::initiator::Initiator;
use crate::domain::session::Flow;

fn envelope(r#type: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": "evt-1", "source": "https://op.example.com", "type": r#type,
           "time": "2026-01-02T03:04:05Z", "data": data})
}

fn parse(value: &Value) -> Result<Event, FieldError> {
    parse_structured(value.to_string().as_bytes())
}

#[test]
fn the_contracts_event_is_read() {
    let event = parse(&envelope(
        "session.terminated",
        &json!({"sid": "s-1", "sub": "alice", "initiator": "rp-logout"}),
    ))
    .unwrap();
    assert_eq!((event.id.as_str(), event.source.as_str()), ("evt-1", "https://op.example.com"));
    assert_eq!(event.time, Some("2026-01-02T03:04:05Z".parse().unwrap()));
    let EventBody::Terminated(it) = event.body else { panic!("{event:?}") };
    assert_eq!(
        it.target,
        Target::Session { sid: "s-1".parse().unwrap(), sub: Some("alice".parse().unwrap()) }
    );
    assert_eq!(it.initiator, Initiator::RpLogout);
}

#[test]
fn clients_are_ids_or_objects_with_their_own_sub() {
    let data = json!({"sid": "s", "sub": "alice", "clients": ["shop", {"client_id": "blog", "sub": "p-1"}],
                      "flow": "native_passkey"});
    let EventBody::Created(it) = parse(&envelope("session.created", &data)).unwrap().body else { panic!() };
    let named: Vec<_> =
        it.clients.iter().map(|(id, sub)| (id.as_str(), sub.as_ref().map(Sub::as_str))).collect();
    assert_eq!(named, [("blog", Some("p-1")), ("shop", None)]);
    assert_eq!(it.flow, Flow::NativePasskey);
}

#[test]
fn binary_mode_means_the_same() {
    let data = json!({"sid": "s-1", "initiator": "rp-logout"});
    let headers = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "evt%20%C3%A4"),
        ("ce-source", "https://op.example.com"),
        ("ce-type", "session.terminated"),
    ];
    let all = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    let event = parse_binary(all.clone(), data.to_string().as_bytes()).unwrap();
    assert_eq!(event.id, "evt ä");
    assert!(matches!(event.body, EventBody::Terminated(_)));

    let without_type = all.filter(|(name, _)| *name != "ce-type");
    let error = parse_binary(without_type, b"{}").unwrap_err().to_string();
    assert_eq!(error, "ce-type: this header is required in binary mode");
}

#[test]
fn data_is_an_object() {
    // Serde would take the members in their order.
    for data in [json!(["s", "alice"]), json!("s"), json!(7)] {
        let error = parse(&envelope("session.created", &data)).unwrap_err().to_string();
        assert_eq!(error, "data: must be a JSON object");
    }
}

#[test]
fn no_more_of_a_batch_is_read_than_it_may_have() {
    let error = parse_batch(json!(vec![0; 500_000]).to_string().as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "a batch must have at most 1000 events, and this one has 500000");
}

#[test]
fn bad_input_is_named_by_its_field() {
    let terminated = |data: Value| envelope("session.terminated", &data);
    let created = |data: Value| envelope("session.created", &data);
    let mut old = terminated(json!({"sid": "s", "initiator": "rp-logout"}));
    old["specversion"] = json!("0.3");
    let mut no_id = old.clone();
    no_id.as_object_mut().unwrap().remove("id");
    let mut bad_time = old.clone();
    bad_time["time"] = json!("yesterday");

    for (event, expected) in [
        (json!([1]), "an event must be a JSON object"),
        (
            json!({"specversion": "1.0", "id": "e", "source": "s", "type": "t"}),
            "data: this member is required",
        ),
        (
            json!({"specversion": "1.0", "id": "e", "source": "s", "type": "t", "data_base64": "e30="}),
            "data_base64: event data must be JSON, in the member `data`",
        ),
        (old, "specversion: must be \"1.0\""),
        (no_id, "missing field `id`"),
        (bad_time, "time: must be an RFC 3339 time such as 2026-01-02T03:04:05Z"),
        (
            envelope("session.ended", &json!({})),
            "type: `session.ended` is not an event type; use one of session.created, session.client_added, \
             session.updated, session.terminated",
        ),
        (terminated(json!({"initiator": "rp-logout"})), "data: `sid`, `sub` or both must be given"),
        (terminated(json!({"sid": "s"})), "data: missing field `initiator`"),
        (
            terminated(json!({"sid": "s", "initiator": "bored"})),
            "data.initiator: `bored` is not an initiator; use one of rp-logout, idp-logout, password-changed, \
             session-expired, session-revoked, account-deleted, account-deactivated, email-identifier-changed, \
             mfa-phone-unenrolled",
        ),
        (
            terminated(json!({"sid": 5, "initiator": "rp-logout"})),
            "data.sid: invalid type: integer `5`, expected a string",
        ),
        (terminated(json!({"sid": "", "initiator": "rp-logout"})), "data.sid: must not be empty"),
        (
            terminated(json!({"sid": "s".repeat(256), "initiator": "rp-logout"})),
            "data.sid: must be at most 255 characters long, and has 256",
        ),
        (
            terminated(json!({"sid": "s", "initiator": "rp-logout", "client": ["shop"]})),
            "data.client: unknown field `client`, expected one of `sid`, `sub`, `initiator`, `clients`, \
             `session_metadata`, `exclude_clients`",
        ),
        (
            created(json!({"sid": "s", "sub": "alice", "clients": ["shop", 7]})),
            "data.clients[1]: invalid type: integer `7`, expected a client id or a {\"client_id\", \"sub\"} object",
        ),
        (
            created(json!({"sid": "s", "sub": "alice", "session_metadata": {"k": 1}})),
            "data.session_metadata.k: invalid type: integer `1`, expected a string",
        ),
        (
            created(json!({"sid": "s", "sub": "alice", "session_metadata": {"a key": "v"}})),
            "data.session_metadata: Metadata keys may only include letters, numbers, underscores, or hyphens",
        ),
        (
            created(json!({"sid": "s", "sub": "alice", "session_metadata": {"k": "v".repeat(256)}})),
            "data.session_metadata: Metadata must not exceed 25 entries. Each key and value must be ≤ 255 \
             characters.",
        ),
        (
            created(json!({"sid": "s", "sub": "alice", "flow": "magic"})),
            "data.flow: unknown variant `magic`, expected one of `browser`, `resource_owner_password`, \
             `native_passkey`, `native_social`",
        ),
        (
            envelope("session.updated", &json!({"sid": "s"})),
            "data: one or more of `session_metadata`, `idle_expires_at`, `expires_at`, `device`, `authentication`, `last_interacted_at` and `cookie` must be given",
        ),
    ] {
        assert_eq!(parse(&event).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_batch_says_which_event_is_bad() {
    let good = envelope("session.terminated", &json!({"sid": "s", "initiator": "rp-logout"}));
    let bad = envelope("session.terminated", &json!({"sid": "s", "initiator": "bored"}));
    let error = parse_batch(json!([good, good, bad]).to_string().as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("[2].data.initiator: `bored` is not an initiator"), "{error}");
    assert!(parse_batch(b"[]").unwrap().is_empty());
    let error = parse_batch(b"{}").unwrap_err().to_string();
    assert_eq!(error, "the body must be a JSON array of events");
    let error = parse_batch(b"[{").unwrap_err().to_string();
    assert!(error.starts_with("the body is not valid JSON: EOF while parsing"), "{error}");
}

#[test]
fn what_means_the_same_is_the_same_event() {
    for (kind, one, other) in [
        (
            "session.created",
            json!({"sid": "s", "sub": "a", "clients": ["x", "y"], "flow": "browser", "expires_at": "2030-01-01T00:00:00Z"}),
            json!({"expires_at": "2030-01-01T01:00:00.000+01:00", "clients": [{"client_id": "y"}, "x", "x"], "sub": "a",
                   "sid": "s", "session_metadata": {}}),
        ),
        (
            "session.terminated",
            json!({"sid": "s", "initiator": "rp-logout", "exclude_clients": ["x", "y"]}),
            json!({"exclude_clients": ["y", "x"], "sub": null, "clients": [], "sid": "s", "initiator": "rp-logout"}),
        ),
    ] {
        assert_eq!(parse(&envelope(kind, &one)), parse(&envelope(kind, &other)), "{one}");
        assert!(parse(&envelope(kind, &one)).is_ok());
    }
}
