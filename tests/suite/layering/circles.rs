//! No circle of imports between the files and folders of a folder: whatever may import what, nothing imports in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::rust_files;

/// Folders that still have circles; a folder that has none any more can leave the list.
const WITH_CIRCLES: [&str; 6] =
    ["cli/demo", "delivery/scheduler", "intake", "keyring", "relying_party", "storage/sqlite/logs"];

/// A module's path, from the crate's root.
type Module = Vec<String>;

/// For each folder: which of its files and folders import which.
type Imports = BTreeMap<Module, BTreeMap<String, BTreeSet<String>>>;

#[test]
fn nothing_imports_in_a_circle() {
    let imports = imports(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(
        imports.contains_key(&vec!["http".to_owned(), "api".to_owned()]),
        "the test no longer finds imports"
    );
    let circles: Vec<_> = imports
        .iter()
        .map(|(folder, imports)| (folder.join("/"), circle(imports)))
        // Between rooms the table of allowed imports decides.
        .filter(|(folder, circle)| !folder.is_empty() && !circle.is_empty())
        .filter(|(folder, _)| !WITH_CIRCLES.contains(&folder.as_str()))
        .collect();
    assert!(circles.is_empty(), "imports go in a circle between these: {circles:?}");
}

#[test]
fn a_circle_is_found() {
    let imports = |pairs: &[(&str, &str)]| {
        let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            imports.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        imports
    };
    assert_eq!(circle(&imports(&[("a", "b"), ("b", "c"), ("a", "c")])), [""; 0]);
    assert_eq!(circle(&imports(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")])), ["b", "c"]);
    assert_eq!(
        paths_of("use crate::a::{b, c::{self, D}};\nuse super::e as f; // crate::g\nlet _ = crate::h::i();"),
        ["crate::a::b", "crate::a::c::self", "crate::a::c::D", "crate::h::i", "super::e"]
    );
}

/// What is left once all that import nothing, or are imported by nothing, of what is left are removed.
fn circle(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<&str> {
    let names = imports.keys().chain(imports.values().flatten());
    let mut left: BTreeSet<&str> = names.map(String::as_str).collect();
    loop {
        let imports_of = |name: &str| imports.get(name).into_iter().flatten().map(String::as_str);
        let importing: BTreeSet<&str> =
            left.iter().copied().filter(|name| imports_of(name).any(|it| left.contains(it))).collect();
        let imported: BTreeSet<&str> = importing.iter().flat_map(|name| imports_of(name)).collect();
        let next: BTreeSet<&str> = importing.intersection(&imported).copied().collect();
        if next == left {
            return left.into_iter().collect();
        }
        left = next;
    }
}

fn imports(src: &Path) -> Imports {
    let files: BTreeMap<Module, String> = rust_files(src)
        .into_iter()
        .map(|file| (module(file.strip_prefix(src).unwrap()), std::fs::read_to_string(&file).unwrap()))
        .collect();
    let mut imports = Imports::new();
    for (module, text) in &files {
        for path in paths_of(text) {
            let imported = resolved(module, &path, &files);
            let common = module.iter().zip(&imported).take_while(|(one, other)| one == other).count();
            // A folder's own mod.rs is neither above nor below its files.
            if let (Some(from), Some(to)) = (module.get(common), imported.get(common)) {
                let folder = imports.entry(module[..common].to_vec()).or_default();
                folder.entry(from.clone()).or_default().insert(to.clone());
            }
        }
    }
    imports
}

fn module(file: &Path) -> Module {
    let path = file.with_extension("");
    let names = path.iter().map(|name| name.to_str().unwrap().to_owned());
    names.filter(|name| name != "mod" && name != "lib").collect()
}

/// The module with a file that a path leads to.
fn resolved(module: &Module, path: &str, files: &BTreeMap<Module, String>) -> Module {
    let mut resolved = module.clone();
    for segment in path.split("::") {
        match segment {
            "crate" => resolved.clear(),
            "super" => drop(resolved.pop()),
            "self" => {}
            name => resolved.push(name.to_owned()),
        }
    }
    while !files.contains_key(&resolved) && !resolved.is_empty() {
        resolved.pop();
    }
    resolved
}

/// The paths from `crate`, `super` or `self` on, in `use` declarations and elsewhere; those of unit tests do not count.
fn paths_of(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: String =
        code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n");
    let mut paths = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if !before.is_alphanumeric() && before != '_' && before != ':' {
                expand("", &code[at..], &mut paths);
            }
        }
    }
    paths
}

/// Reads one path, with braces or without, and returns what comes after it.
fn expand<'t>(prefix: &str, text: &'t str, paths: &mut Vec<String>) -> &'t str {
    let text = text.trim_start();
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let (path, mut rest) = text.split_at(end);
    let path = format!("{prefix}{path}");
    if !path.ends_with("::") || !rest.starts_with('{') {
        paths.push(path);
        return rest;
    }
    rest = &rest[1..];
    loop {
        rest = expand(&path, rest, paths);
        // After an alias, or at once.
        let next = rest.find([',', '}']).unwrap_or(rest.len());
        let ends = rest[next..].starts_with('}') || next == rest.len();
        rest = rest[next..].get(1..).unwrap_or_default();
        if ends || rest.trim_start().starts_with('}') {
            return if ends { rest } else { &rest.trim_start()[1..] };
        }
    }
}
