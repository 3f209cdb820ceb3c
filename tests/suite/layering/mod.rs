//! Which module may import which: the table of ARCHITECTURE.md, against the paths in the sources.

mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The crate's modules, and which others each may import: the rows of the table.
fn allowed_imports() -> BTreeMap<String, BTreeSet<String>> {
    let guide = std::fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let (_, table) = guide.split_once("<!-- layers: begin -->").unwrap();
    let (table, _) = table.split_once("<!-- layers: end -->").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let [_, module, _, imports, _] = cells[..] else { panic!("three columns: {row}") };
        let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        (names(module).remove(0), names(imports).into_iter().collect())
    })
    .collect()
}

#[test]
fn every_import_is_in_the_table() {
    let allowed = allowed_imports();
    let src = repository().join("src");
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut forbidden = Vec::new();
    for file in rust_files(&src) {
        let relative = file.strip_prefix(&src).unwrap();
        let module = top_module(relative);
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let may = allowed.get(&module).unwrap_or_else(|| panic!("src/{module} is not in the table"));
        let used = used.entry(module.clone()).or_default();
        for (number, line) in std::fs::read_to_string(&file).unwrap().lines().enumerate() {
            for imported in imported_modules(line).into_iter().filter(|it| *it != module) {
                if !may.contains(&imported) {
                    let place = format!("{}:{}", relative.display(), number + 1);
                    forbidden.push(format!("{place}: {module} imports {imported}"));
                }
                used.insert(imported);
            }
        }
    }
    assert!(forbidden.is_empty(), "not in the table of allowed imports:\n{}", forbidden.join("\n"));
    assert_eq!(used, allowed, "the table allows what nothing imports, or has a module that is not there");
}

#[test]
fn the_table_has_the_modules_of_the_crate() {
    let lib = std::fs::read_to_string(repository().join("src/lib.rs")).unwrap();
    let modules = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let allowed = allowed_imports();
    assert_eq!(modules.collect::<Vec<_>>(), allowed.keys().collect::<Vec<_>>());
}

#[test]
fn only_the_composition_root_names_a_backend() {
    let src = repository().join("src");
    for file in rust_files(&src) {
        let relative = file.strip_prefix(&src).unwrap();
        if relative.starts_with("storage/sqlite") || relative.starts_with("app") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("SqliteStore"), "{} names SqliteStore", relative.display());
    }
}

/// The storage traits and records know no database, and neither does anything above them.
#[test]
fn only_a_backend_names_its_database_driver() {
    let src = repository().join("src");
    for file in rust_files(&src) {
        let relative = file.strip_prefix(&src).unwrap();
        if relative.starts_with("storage/sqlite") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("sqlx"), "{} names sqlx", relative.display());
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files
}

fn top_module(relative: &Path) -> String {
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules after each `crate::` in a line of code; comments do not count.
fn imported_modules(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap();
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    code.match_indices("crate::").map(|(at, found)| name(&code[at + found.len()..])).collect()
}
