//! Pins the digests: a replay across an upgrade must be recognised.

use jiff::Timestamp;

use super::*;
use crate::domain::event::{ClientAdded, NamedClients, SessionCreated, SessionTerminated, SessionUpdated};
use crate::domain::initiator::Initiator;
use crate::domain::session::Flow;
use crate::domain::session_details::SessionDetails;
use crate::domain::test_support::{client_id, created, metadata, named, sub, terminated};

fn event(body: EventBody) -> Event {
    Event { source: "s".to_owned(), id: "e".to_owned(), time: None, body }
}

fn client_added(own_sub: Option<&str>) -> ClientAdded {
    ClientAdded { sid: "s-1".parse().unwrap(), client_id: client_id("blog"), sub: own_sub.map(sub) }
}

fn updated() -> SessionUpdated {
    SessionUpdated {
        sid: "s-1".parse().unwrap(),
        session_metadata: None,
        idle_expires_at: None,
        expires_at: None,
        details: SessionDetails::default(),
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Every type, with its required members and with all; and the digests of both versions. Those of version 1 are from a
/// store of the first release; those of version 2 were computed by another program from the description in the module.
fn golden() -> Vec<(Event, &'static str, &'static str)> {
    let cases = [
        (
            EventBody::Created(created("s-1", &[])),
            "a49c655594b5a5b2641cf02bffe6e61618a5a530d7e9a830af75471071428308",
            "e6106930aacc82a1c09c924018a9bef8f25f49d8a98c3cf9cf40d960fd708471",
        ),
        (
            EventBody::Created(SessionCreated {
                clients: NamedClients::from([
                    (client_id("shop"), None),
                    (client_id("blog"), Some(sub("p-1"))),
                ]),
                session_metadata: metadata(&[("org_id", "org_1"), ("device", "phone")]),
                authenticated_at: Some(time("2026-01-02T03:04:05.5Z")),
                idle_expires_at: Some(time("2099-01-02T03:04:05Z")),
                expires_at: Some(time("2099-06-02T03:04:05Z")),
                ..created("s-1", &[])
            }),
            "b8e54bdf3123a50972a4be8b3504ce4b4a7200f818d4c3378ed5ce1e401cf562",
            "6edef1bf21249847aedc110d3aedce53e4f551adaa525248b4a0636c19bf3cf4",
        ),
        (
            EventBody::Created(SessionCreated { flow: Flow::NativeSocial, ..created("s-1", &[]) }),
            "71c8c0ba7cdeb586f15e5e93d19e98ff2f9ec90e716a13338222ceb2c1af4c49",
            "1c42da5ef76c4f7bafeab00666bb215a020b11ba46e74742d5dfb30b5bcdd2be",
        ),
        (
            EventBody::ClientAdded(client_added(None)),
            "95ee4b13fdcd94a4f67d2958f2a0a390e3b67067f059e8d3933b00255b25a04e",
            "66ddce7dfea28fe2d4f52c70134a88cc7506ea60600eff497676c699d7f24320",
        ),
        (
            EventBody::ClientAdded(client_added(Some("p-2"))),
            "89e19e501d905ab71453d4149614c2c3cf731072c95b7977e4de66266320ee31",
            "134b58b7a6a84c4d034b76c6a06d90d0f1c51b60cc69f0ba451bf3898821503b",
        ),
        (
            EventBody::Updated(SessionUpdated {
                session_metadata: Some(metadata(&[])),
                expires_at: Some(time("2099-06-03T03:04:05Z")),
                ..updated()
            }),
            "eaa6c963ada4bfff42afe8abe1e9e6827abd4936b5c10f12fbbb954dc3890f10",
            "5ab7d45e49945498514b22f68492e9890b08031ecdfc77643147d6be81d11de7",
        ),
        (
            EventBody::Updated(SessionUpdated {
                session_metadata: Some(metadata(&[("key-1", "Grüße 😀")])),
                idle_expires_at: Some(time("1969-12-31T23:59:59.75Z")),
                ..updated()
            }),
            "a59f94f80c79059bf2019a574c1b845c77fe614e046c1578d1e03aa2fdfd584d",
            "4067c35e86a0301f5c428d3adbe5c59ffc7d70206131f439335c6bfe992626b5",
        ),
        (
            EventBody::Terminated(SessionTerminated {
                clients: named(&["shop"]),
                exclude_clients: [client_id("blog")].into(),
                session_metadata: metadata(&[("a", "b")]),
                ..terminated(Some("s-0"), Some("bob"))
            }),
            "71f01d7f6fac3378b9a76a75476e483641f7f51070294d0d8c38dc41446c7e87",
            "fce0be03d948a220d49c40ba629f75e42a93d3aa2208718814f6de023a300c85",
        ),
        (
            EventBody::Terminated(terminated(Some("s-0"), None)),
            "40b8fce0462f0e862929d2520f120521a13abdec96ef19aede047ccdfc375e37",
            "c82318483e5280b23cb5fb50745d1ca63a55b6d3a99dc4b7037c4f5d5254453c",
        ),
        (
            EventBody::Terminated(SessionTerminated {
                initiator: Initiator::PasswordChanged,
                ..terminated(None, Some("bob"))
            }),
            "4eb685c2ec72cef1ff3c53008f7a18574db7c66d32c1b0e36f41549604f865d7",
            "912c8ecbd8281ff3e7fadb747a9fa3567cfd93170a3e16e4508465d8b45ad5a9",
        ),
    ];
    cases.into_iter().map(|(body, one, two)| (event(body), one, two)).collect()
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
fn metadata_that_is_emptied_is_not_metadata_that_is_left_alone() {
    let with = |session_metadata| {
        let expires_at = Some(time("2030-01-01T00:00:00Z"));
        event(EventBody::Updated(SessionUpdated { session_metadata, expires_at, ..updated() }))
    };
    assert_eq!(compare(&with(None), &of(&with(Some(metadata(&[]))))), Comparison::Different);
}
