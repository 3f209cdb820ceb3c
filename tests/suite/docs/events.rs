//! Lists of names on several pages against the domain and the OpenAPI document.

use std::collections::BTreeSet;

use logoutd::domain::algorithm::SigningAlg;
use logoutd::domain::initiator::Initiator;
use serde_json::Value;

use super::{assert_same, code_spans, openapi, tables_of, text};

const PAGE: &str = "docs/events.md";

fn names(text: &str) -> BTreeSet<String> {
    code_spans(text).into_iter().map(str::to_owned).collect()
}

/// The members of an event's `data`, as the schema of its type has them.
fn members(document: &Value, event: &Value) -> BTreeSet<String> {
    let reference = event["properties"]["data"]["$ref"].as_str().unwrap();
    let data = document.pointer(reference.trim_start_matches('#')).unwrap();
    data["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn every_event_type_is_documented_with_its_members() {
    let document = openapi();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut actual = BTreeSet::new();
    for schema in schemas.values() {
        let Some(kind) = schema["properties"]["type"]["enum"][0].as_str() else { continue };
        if kind.starts_with("session.") {
            actual.insert((kind.to_owned(), members(&document, schema)));
        }
    }
    let [table] = &tables_of(PAGE, "`type`")[..] else { panic!("one table of event types") };
    let documented = table.rows.iter().map(|row| {
        let kind = row[0].trim_matches('`').to_owned();
        (kind, names(&row[1..].join(" ")))
    });
    assert_same(PAGE, &documented.collect(), &actual);
}

#[test]
fn the_members_of_events_are_described_and_none_else() {
    let tables = tables_of(PAGE, "member");
    let described = tables.iter().flat_map(|table| &table.rows).flat_map(|row| names(&row[0])).collect();
    let [types] = &tables_of(PAGE, "`type`")[..] else { panic!("one table of event types") };
    let listed = types.rows.iter().flat_map(|row| names(&row[1..].join(" "))).collect();
    assert_same(PAGE, &described, &listed);
}

#[test]
fn every_initiator_is_documented_and_none_else() {
    let page = text(PAGE);
    let (_, list) = page.split_once("\n### Initiators\n").expect("a section on initiators");
    let list = list.trim_start().split(". ").next().unwrap();
    let actual = Initiator::ALL.iter().map(|initiator| initiator.as_str().to_owned()).collect();
    assert_same(PAGE, &names(list), &actual);
}

#[test]
fn every_signing_algorithm_is_documented_and_none_else() {
    let actual: BTreeSet<String> = SigningAlg::ALL.iter().map(|alg| alg.as_str().to_owned()).collect();
    let is_algorithm = |word: &str| {
        let digits = word.trim_start_matches(|c: char| c.is_ascii_uppercase());
        word == "EdDSA"
            || (digits.len() == 3 && word.len() == 5 && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut lists = 0;
    for table in tables_of("docs/configuration.md", "key") {
        for row in table.rows {
            let words = row[2].split(|c: char| !c.is_ascii_alphanumeric());
            let algorithms: BTreeSet<String> =
                words.filter(|word| is_algorithm(word)).map(str::to_owned).collect();
            if !algorithms.is_empty() {
                assert_same(&format!("docs/configuration.md, {}", row[0]), &algorithms, &actual);
                lists += 1;
            }
        }
    }
    assert_eq!(lists, 2, "keys.algorithms, and id_token_signed_response_alg of clients");
}
