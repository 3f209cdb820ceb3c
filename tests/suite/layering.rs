//! Who may import whom: the table of the design, against the `use crate::` lines of the sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// For each module, what of the crate it may import. Itself is always allowed.
///
/// `authorities`, `causes`, `clock`, `entropy`, `files`, `printable` and `shutdown` are leaves that
/// everything but the pure modules may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("entropy", &[]),
    ("shutdown", &[]),
    ("causes", &[]),
    ("files", &[]),
    ("printable", &[]),
    ("watched_files", &[]),
    ("ambient", &["clock", "entropy", "telemetry"]),
    ("authorities", &["files"]),
    ("json", &[]),
    ("domain", &[]),
    ("token", &["domain"]),
    ("relying_party", &["clock"]),
    ("config", &["domain", "files", "printable"]),
    ("storage", &["domain", "causes"]),
    ("keyring", &["domain", "causes", "files", "ambient", "clock", "entropy", "config", "watched_files"]),
    ("egress", &["domain", "clock", "authorities", "config"]),
    ("intake", &["ambient", "domain", "storage", "telemetry", "causes", "shutdown"]),
    ("sources", &["domain", "intake", "json"]),
    (
        "delivery",
        &[
            "ambient",
            "domain",
            "storage",
            "token",
            "keyring",
            "egress",
            "telemetry",
            "causes",
            "shutdown",
            "intake",
            "registry",
        ],
    ),
    (
        "http",
        &[
            "ambient",
            "access",
            "domain",
            "storage",
            "keyring",
            "intake",
            "sources",
            "registry",
            "delivery",
            "telemetry",
            "causes",
            "clock",
            "json",
            "shutdown",
        ],
    ),
    ("registry", &["domain", "storage", "keyring", "egress", "causes", "ambient"]),
    (
        "access",
        &[
            "ambient",
            "domain",
            "storage",
            "egress",
            "causes",
            "printable",
            "authorities",
            "entropy",
            "shutdown",
            "config",
        ],
    ),
    ("telemetry", &["config", "printable"]),
    ("listen", &["ambient", "telemetry", "files", "config", "watched_files"]),
    (
        "app",
        &[
            "ambient",
            "access",
            "config",
            "domain",
            "storage",
            "keyring",
            "egress",
            "intake",
            "registry",
            "delivery",
            "http",
            "listen",
            "telemetry",
            "causes",
            "shutdown",
        ],
    ),
    (
        "cli",
        &[
            "ambient",
            "access",
            "authorities",
            "app",
            "config",
            "domain",
            "storage",
            "keyring",
            "egress",
            "listen",
            "printable",
            "relying_party",
            "telemetry",
            "files",
            "causes",
            "clock",
            "entropy",
            "json",
            "shutdown",
        ],
    ),
];

#[test]
fn every_import_is_in_the_table() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut imports = 0;
    let mut forbidden = Vec::new();
    for file in rust_files(&src) {
        let relative = file.strip_prefix(&src).unwrap();
        let module = top_module(relative);
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let may = allowed.get(module.as_str()).unwrap_or_else(|| panic!("src/{module} is not in the table"));
        for (number, line) in std::fs::read_to_string(&file).unwrap().lines().enumerate() {
            for imported in imported_modules(line) {
                imports += 1;
                if imported != module && !may.contains(&imported.as_str()) {
                    forbidden.push(format!(
                        "{}:{}: {module} imports {imported}",
                        relative.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(imports > 50, "the test no longer finds the imports it is to check ({imports})");
    assert!(forbidden.is_empty(), "not in the table of allowed edges:\n{}", forbidden.join("\n"));
}

#[test]
fn only_the_composition_root_names_a_backend() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
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
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in rust_files(&src) {
        let relative = file.strip_prefix(&src).unwrap();
        if relative.starts_with("storage/sqlite") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("sqlx"), "{} names sqlx", relative.display());
    }
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
