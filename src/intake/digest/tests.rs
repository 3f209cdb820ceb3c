//! What digests are made of, pinned: a replay across an upgrade must be recognised.

use serde_json::{Value, json};

use super::*;
use crate::intake::cloudevents::parse_structured;

fn event(r#type: &str, data: &Value) -> Event {
    let event = json!({"specversion": "1.0", "id": "e", "source": "s", "type": r#type, "data": data});
    parse_structured(event.to_string().as_bytes()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Every type, with nothing but what is required and with everything; and its digests of both versions. Those of
/// version 1 are from a store of the first release; those of version 2 were computed apart from this program, from
/// the description in the module.
fn golden() -> Vec<(Event, &'static str, &'static str)> {
    let cases = [
        (
            "session.created",
            json!({"sid": "s-1", "sub": "alice"}),
            "a49c655594b5a5b2641cf02bffe6e61618a5a530d7e9a830af75471071428308",
            "e6106930aacc82a1c09c924018a9bef8f25f49d8a98c3cf9cf40d960fd708471",
        ),
        (
            "session.created",
            json!({"sid": "s-1", "sub": "alice", "clients": ["shop", {"client_id": "blog", "sub": "p-1"}], "session_metadata": {"org_id": "org_1", "device": "phone"}, "flow": "browser", "authenticated_at": "2026-01-02T03:04:05.5Z", "idle_expires_at": "2099-01-02T03:04:05Z", "expires_at": "2099-06-02T03:04:05Z"}),
            "b8e54bdf3123a50972a4be8b3504ce4b4a7200f818d4c3378ed5ce1e401cf562",
            "6edef1bf21249847aedc110d3aedce53e4f551adaa525248b4a0636c19bf3cf4",
        ),
        (
            "session.created",
            json!({"sid": "s-1", "sub": "alice", "flow": "native_social"}),
            "71c8c0ba7cdeb586f15e5e93d19e98ff2f9ec90e716a13338222ceb2c1af4c49",
            "1c42da5ef76c4f7bafeab00666bb215a020b11ba46e74742d5dfb30b5bcdd2be",
        ),
        (
            "session.client_added",
            json!({"sid": "s-1", "client_id": "blog"}),
            "95ee4b13fdcd94a4f67d2958f2a0a390e3b67067f059e8d3933b00255b25a04e",
            "66ddce7dfea28fe2d4f52c70134a88cc7506ea60600eff497676c699d7f24320",
        ),
        (
            "session.client_added",
            json!({"sid": "s-1", "client_id": "blog", "sub": "p-2"}),
            "89e19e501d905ab71453d4149614c2c3cf731072c95b7977e4de66266320ee31",
            "134b58b7a6a84c4d034b76c6a06d90d0f1c51b60cc69f0ba451bf3898821503b",
        ),
        (
            "session.updated",
            json!({"sid": "s-1", "session_metadata": {}, "expires_at": "2099-06-03T03:04:05Z"}),
            "eaa6c963ada4bfff42afe8abe1e9e6827abd4936b5c10f12fbbb954dc3890f10",
            "5ab7d45e49945498514b22f68492e9890b08031ecdfc77643147d6be81d11de7",
        ),
        (
            "session.updated",
            json!({"sid": "s-1", "session_metadata": {"key-1": "Grüße 😀"}, "idle_expires_at": "1969-12-31T23:59:59.75Z"}),
            "a59f94f80c79059bf2019a574c1b845c77fe614e046c1578d1e03aa2fdfd584d",
            "4067c35e86a0301f5c428d3adbe5c59ffc7d70206131f439335c6bfe992626b5",
        ),
        (
            "session.terminated",
            json!({"sid": "s-0", "sub": "bob", "initiator": "rp-logout", "clients": ["shop"], "exclude_clients": ["blog"], "session_metadata": {"a": "b"}}),
            "71f01d7f6fac3378b9a76a75476e483641f7f51070294d0d8c38dc41446c7e87",
            "fce0be03d948a220d49c40ba629f75e42a93d3aa2208718814f6de023a300c85",
        ),
        (
            "session.terminated",
            json!({"sid": "s-0", "initiator": "rp-logout"}),
            "40b8fce0462f0e862929d2520f120521a13abdec96ef19aede047ccdfc375e37",
            "c82318483e5280b23cb5fb50745d1ca63a55b6d3a99dc4b7037c4f5d5254453c",
        ),
        (
            "session.terminated",
            json!({"sub": "bob", "initiator": "password-changed"}),
            "4eb685c2ec72cef1ff3c53008f7a18574db7c66d32c1b0e36f41549604f865d7",
            "912c8ecbd8281ff3e7fadb747a9fa3567cfd93170a3e16e4508465d8b45ad5a9",
        ),
    ];
    cases.into_iter().map(|(kind, data, one, two)| (event(kind, &data), one, two)).collect()
}

#[test]
fn digests_stay_what_they_are() {
    for (event, one, two) in golden() {
        let computed = [version_1::encode(&event.body).unwrap(), version_2::encode(&event.body)];
        let [first, second] = computed.map(|bytes| hex(&sha256(&bytes)));
        assert_eq!((first.as_str(), second.as_str()), (one, two), "{event:?}");
    }
}

#[test]
fn no_two_events_have_one_digest() {
    let all = golden();
    for (n, (event, ..)) in all.iter().enumerate() {
        for (m, (other, ..)) in all.iter().enumerate() {
            let expected = if n == m { Comparison::Same } else { Comparison::Different };
            assert_eq!(compare(event, &of(other)), expected);
            let bytes = sha256(&version_1::encode(&other.body).unwrap());
            assert_eq!(compare(event, &EventDigest { version: 1, bytes }), expected);
            let bytes = of(other).bytes;
            assert_eq!(compare(event, &EventDigest { version: 3, bytes }), Comparison::Unknown);
        }
    }
}

#[test]
fn what_means_the_same_has_the_same_digest() {
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
        assert_eq!(compare(&event(kind, &one), &of(&event(kind, &other))), Comparison::Same, "{one}");
    }
    let updated = |data: &Value| event("session.updated", data);
    let left = updated(&json!({"sid": "s", "expires_at": "2030-01-01T00:00:00Z"}));
    let emptied = updated(&json!({"sid": "s", "expires_at": "2030-01-01T00:00:00Z", "session_metadata": {}}));
    assert_eq!(compare(&left, &of(&emptied)), Comparison::Different);
}
