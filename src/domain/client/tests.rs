//! Documents of clients: what is merged, kept and refused.

use serde_json::{Map, Value, json};

use super::document::{Document as _, Fault, Problem};
use super::{Client, LogoutUri, SubjectLogout};

fn client() -> Client {
    Client::new("shop".parse().unwrap())
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("{value} is no object") };
    members
}

fn merged(document: Value) -> Client {
    let mut client = client();
    assert_eq!(client.merge(&object(document)), []);
    client
}

/// Every setting, with a value that is not the default.
fn every_setting() -> Value {
    json!({
        "client_name": "Shop",
        "backchannel_logout_uri": "https://shop.example.com/logout",
        "backchannel_logout_session_required": true,
        "id_token_signed_response_alg": "ES256",
        "initiators": ["rp-logout", "session-revoked"],
        "session_metadata": ["device_name", "org_id"],
        "token": {"ttl": "1m 30s", "typ": "none", "subject": "sid"},
        "subject_logout": "sub",
        "subject_type": "pairwise",
        "sector_identifier_uri": "https://shop.example.com/sector.json",
        "enabled": false,
    })
}

#[test]
fn what_is_written_is_read_back() {
    let documents = [every_setting(), json!({"initiators": "all", "session_metadata": true})];
    for document in documents {
        let client = merged(document.clone());
        let written = client.document();
        for (name, value) in object(document) {
            assert_eq!(written[&name], value, "{name}");
        }
        assert_eq!(merged(written.into()), client);
    }
    let settings: Vec<_> = Client::SETTINGS.iter().map(|it| it.name).collect();
    for name in client().document().keys() {
        assert!(settings.contains(&name.as_str()), "{name}");
        assert!(every_setting().get(name).is_some(), "{name} is to be in the test too");
    }
}

#[test]
fn null_is_the_default_and_what_is_left_out_stays() {
    let set = merged(every_setting());
    for name in object(every_setting()).keys() {
        let mut client = set.clone();
        assert_eq!(client.merge(&object(json!({ name: null }))), []);
        for (other, value) in client.document() {
            let expected =
                if other == *name { client_default(&other) } else { set.document()[&other].clone() };
            assert_eq!(value, expected, "{other} after {name} was reset");
        }
    }
    let mut partly = set.clone();
    assert_eq!(partly.merge(&object(json!({"token": {"ttl": null, "typ": "JWT"}}))), []);
    assert_eq!(partly.document()["token"], json!({"ttl": "2m", "typ": "JWT", "subject": "sid"}));
}

fn client_default(name: &str) -> Value {
    client().document()[name].clone()
}

#[test]
fn all_faults_are_found_and_the_rest_is_merged() {
    let mut client = client();
    let faults = client.merge(&object(json!({
        "initiators": ["x", "rp-logout", 1],
        "token": {"ttl": "11m", "typ": "jwt", "tll": "1m"},
        "enabled": "yes",
        "subject_logout": "sub",
    })));
    let paths: Vec<_> = faults.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["enabled", "initiators[0]", "initiators[2]", "token.tll", "token.ttl", "token.typ"]);
    let unknown = Problem::Unknown { known: vec!["ttl", "typ", "subject"] };
    assert!(faults.contains(&Fault { path: "token.tll".to_owned(), problem: unknown }), "{faults:?}");
    assert_eq!(client.subject_logout, SubjectLogout::Sub);
    assert_eq!((client.document()["token"].clone(), client.enabled), (client_default("token"), true));
}

#[test]
fn a_uri_from_before_todays_rules_does_not_hinder_other_changes() {
    let uri = LogoutUri::from_stored("https://{tenant}.example.com".to_owned()).unwrap();
    let mut client = Client { backchannel_logout_uri: Some(uri), ..client() };
    assert_eq!(client.merge(&object(json!({"client_name": "Shop"}))), []);
    assert_eq!(client.document()["backchannel_logout_uri"], "https://{tenant}.example.com");
    assert_eq!(client.merge(&client.document()).len(), 1);
}
