//! `docs/metrics.md` against `/metrics` and the code that registers metrics.

use std::collections::{BTreeMap, BTreeSet};

use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{assert_same, code_spans, files, repository, tables_of};
use crate::support::app::Setup;
use crate::support::{ends, eventually};

const PAGE: &str = "docs/metrics.md";

/// The metrics of the page, and their types.
fn documented() -> BTreeMap<String, String> {
    let tables = tables_of(PAGE, "metric");
    let rows = tables.iter().flat_map(|table| &table.rows);
    rows.map(|row| (row[0].trim_matches('`').to_owned(), row[1].clone())).collect()
}

/// A metric's name without the prefix and suffixes that the text format adds.
fn base_name(metric: &str) -> &str {
    let name = metric.strip_prefix("logoutd_").unwrap_or(metric);
    let name = ["_total", "_info"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    name.strip_suffix("_seconds").unwrap_or(name)
}

/// The names that `src/telemetry` registers: the fields of its `metrics!` blocks, and `register("name", …)`.
fn registered() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files(&repository().join("src/telemetry"), "rs") {
        let code = std::fs::read_to_string(&file).unwrap();
        let code = code.split("#[cfg(test)]").next().unwrap();
        for block in code.split("\nmetrics! {").skip(1) {
            let fields = block.split("\n}").next().unwrap().lines().map(str::trim);
            let fields =
                fields.filter(|line| !line.starts_with("//")).filter_map(|line| line.split_once(": "));
            names.extend(fields.map(|(name, _)| name.split(' ').next().unwrap().to_owned()));
        }
        let direct = code.split(".register(\"").skip(1).filter_map(|rest| rest.split_once('"'));
        names.extend(direct.map(|(name, _)| name.to_owned()));
    }
    names
}

#[test]
fn every_metric_is_documented_and_none_else() {
    let documented: BTreeSet<String> = documented().keys().map(|name| base_name(name).to_owned()).collect();
    assert_same(PAGE, &documented, &registered());
}

#[test]
fn metrics_that_other_pages_name_are_documented() {
    let documented = documented();
    let mut count = 0;
    for file in files(repository(), "md") {
        let page = std::fs::read_to_string(&file).unwrap();
        for span in code_spans(&page) {
            let name = span.split('{').next().unwrap();
            let is_metric = name.starts_with("logoutd_") && name.len() > "logoutd_".len();
            if is_metric && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                count += 1;
                assert!(documented.contains_key(name), "{} names {name}", file.display());
            }
        }
    }
    assert!(count > documented.len(), "the test no longer finds the names ({count})");
}

#[tokio::test]
async fn metrics_have_the_names_and_types_that_a_service_shows() {
    let up = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&up).await;
    let failing = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).mount(&failing).await;
    let app = Setup::new()
        .with("[delivery]\nbreaker_failures = 1")
        .client("shop", &up.uri(), "")
        .client("blog", &failing.uri(), "")
        .start()
        .await;
    // Metrics without a sample are not shown: something is delivered, and something waits behind a breaker.
    assert_eq!(app.outcome(&ends("s-1", &["shop"]), 20).await[0].1, "delivered");
    app.report(&ends("s-2", &["blog"])).await;
    eventually(async || {
        let (_, answer) = app.get("/breakers").await;
        answer["breakers"].as_array().is_some_and(|it| it.len() == 1).then_some(())
    })
    .await;
    let response = app.http.get(format!("{}/metrics", app.management)).send().await.unwrap();
    let shown = response.text().await.unwrap();
    app.stop().await;

    let documented = documented();
    let mut count = 0;
    for line in shown.lines() {
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let name = match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        };
        assert_eq!(documented.get(&name).map(String::as_str), Some(kind), "{name}");
        count += 1;
    }
    assert!(count >= 18, "{count} metrics are shown:\n{shown}");
}
