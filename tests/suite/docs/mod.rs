//! The documentation against the program: links resolve, and tables list what the code has, no more and no less.

mod configuration;
mod errors;
mod events;
mod guides;
mod links;
mod metrics;
mod routes;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the repository.
fn text(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A copy of the OpenAPI document, which another test compares with the code.
fn openapi() -> serde_json::Value {
    serde_json::from_str(&text("docs/openapi.json")).unwrap()
}

/// All files below `folder` with this extension, but for those that git ignores.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules"].contains(&name) {
                found.extend(files(&path, extension));
            }
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found
}

/// A table of a page.
struct Table {
    /// The heading it stands under, without markup.
    heading: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// All tables of a page.
fn tables(page: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut heading = String::new();
    let mut inside = false;
    for line in without_code_blocks(page) {
        if let Some(title) = line.strip_prefix('#') {
            heading = title.trim_matches(['#', ' ']).replace('`', "");
        }
        if !line.starts_with('|') {
            inside = false;
        } else if inside {
            let table = tables.last_mut().unwrap();
            let row = cells(line);
            assert_eq!(row.len(), table.columns.len(), "a row does not fit its table: {line}");
            table.rows.push(row);
        } else {
            inside = true;
            tables.push(Table { heading: heading.clone(), columns: cells(line), rows: Vec::new() });
        }
    }
    for table in &mut tables {
        let rule = table.rows.remove(0);
        assert!(rule.iter().all(|cell| cell.starts_with(['-', ':'])), "{}: {rule:?}", table.heading);
    }
    tables
}

/// The tables whose first column has this name.
fn tables_of(page: &str, first_column: &str) -> Vec<Table> {
    let mut tables = tables(&text(page));
    tables.retain(|table| table.columns[0] == first_column);
    assert!(!tables.is_empty(), "{page} has no table whose first column is {first_column:?}");
    tables
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The lines of a page outside fenced code.
fn without_code_blocks(page: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// What stands between backticks.
fn code_spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Fails, and names the difference, unless a page lists exactly what there is.
fn assert_same<T: Ord + std::fmt::Debug>(page: &str, documented: &BTreeSet<T>, actual: &BTreeSet<T>) {
    assert!(!actual.is_empty(), "the test no longer finds what {page} is compared with");
    let missing: Vec<_> = actual.difference(documented).collect();
    let wrong: Vec<_> = documented.difference(actual).collect();
    assert!(missing.is_empty() && wrong.is_empty(), "{page} lacks {missing:?} and has {wrong:?} too much");
}
