//! The tables of error codes against the code that makes them, and against the OpenAPI document.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{assert_same, code_spans, files, openapi, repository, tables_of, text};

const PAGES: [&str; 3] = ["docs/events.md", "docs/management-api.md", "docs/access.md"];

/// A code, and the status it comes with.
type Answer = (String, String);

/// What a page's tables of errors list.
fn documented(page: &str) -> BTreeSet<Answer> {
    let mut answers = BTreeSet::new();
    for table in tables_of(page, "status") {
        assert_eq!(table.columns[1], "`errorCode`", "{page}");
        for row in &table.rows {
            let codes = code_spans(&row[1]);
            assert!(!codes.is_empty(), "{page}: {row:?}");
            answers.extend(codes.iter().map(|code| (row[0].clone(), (*code).to_owned())));
        }
    }
    answers
}

/// Every `errorCode` that the program can answer with: string literals of `src/http/error` in the form of one.
fn in_the_code() -> BTreeSet<String> {
    /// Literals that are no codes: names of members.
    const OTHERS: [&str; 1] = ["session_metadata"];

    let folder = repository().join("src/http/error");
    let sources =
        if folder.is_dir() { files(&folder, "rs") } else { vec![repository().join("src/http/error.rs")] };
    let mut codes = BTreeSet::new();
    for file in sources {
        let code = std::fs::read_to_string(&file).unwrap();
        let code = code.split("#[cfg(test)]").next().unwrap();
        let lines: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = lines.join("\n");
        for literal in code.split('"').skip(1).step_by(2) {
            let is_code = literal.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                && (literal.contains('_') || literal == "busy");
            if is_code && !OTHERS.contains(&literal) {
                codes.insert(literal.to_owned());
            }
        }
    }
    codes
}

/// What the OpenAPI document says of the answers at these paths.
fn in_openapi(is_meant: impl Fn(&str) -> bool) -> BTreeSet<Answer> {
    let (document, codes) = (openapi(), in_the_code());
    let mut answers = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        if !is_meant(path) {
            continue;
        }
        for responses in methods.as_object().unwrap().values().filter_map(|it| it["responses"].as_object()) {
            for (status, response) in responses {
                let description = described(&document, response);
                let named = code_spans(&description).into_iter().filter(|it| codes.contains(*it));
                answers.extend(named.map(|code| (status.clone(), code.to_owned())));
            }
        }
    }
    answers
}

fn described(document: &Value, response: &Value) -> String {
    let response = match response["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => response,
    };
    response["description"].as_str().unwrap().to_owned()
}

#[test]
fn every_error_code_is_documented_and_none_else() {
    let documented = PAGES.iter().flat_map(|page| documented(page)).map(|(_, code)| code).collect();
    assert_same("the pages with tables of errors", &documented, &in_the_code());
}

#[test]
fn events_can_be_answered_with_the_errors_of_their_page() {
    let mut expected = in_openapi(|path| path == "/events");
    // It comes with a description that all operations share.
    assert!(expected.remove(&("429".to_owned(), "too_many_jobs".to_owned())));
    assert_same(PAGES[0], &documented(PAGES[0]), &expected);
}

#[test]
fn the_management_api_can_be_answered_with_the_errors_of_its_page() {
    let mut expected = in_openapi(|path| path.starts_with("/api/v2/"));
    // Of every path, and of those that do not exist; and a filter's, which the document does not single out.
    for (status, code) in [("404", "not_found"), ("405", "method_not_allowed"), ("400", "filter_too_broad")] {
        expected.insert((status.to_owned(), code.to_owned()));
    }
    let mut documented = documented(PAGES[1]);
    // Bodies are described alike for every operation.
    documented.retain(|answer| answer.1 != "unsupported_media_type");
    expected.retain(|answer| answer.1 != "unsupported_media_type");
    assert_same(PAGES[1], &documented, &expected);
}

#[test]
fn scopes_are_documented_and_none_else() {
    let page = text("docs/access.md");
    let (_, list) = page.split_once("\n## Scopes\n").expect("a section on scopes");
    let list = list.split("\n#").next().unwrap();
    let documented = code_spans(list).into_iter().map(str::to_owned).collect();
    let scopes = logoutd::domain::access::Scope::ALL.iter().map(|scope| scope.as_str().to_owned());
    assert_same("docs/access.md", &documented, &scopes.collect());
}
