//! `docs/configuration.md` against what the program reads: keys, defaults and environment variables.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use logoutd::config::{Config, ConfigErrors, Loaded};

use super::{assert_same, files, repository, tables_of};

const PAGE: &str = "docs/configuration.md";

/// The heading of the table of clients, whose keys are written without `clients.`.
const CLIENTS: &str = "[[clients]]";

/// Keys whose default is said in words, and those words.
const IN_WORDS: [(&str, &str); 4] = [
    ("issuer.jwks_uri", "`issuer.url` + `/.well-known/jwks.json`"),
    ("server.max_connections", "8192, or fewer"),
    ("management.max_connections", "1024, or fewer"),
    ("access.jwt.jwks_uri", "from the issuer's discovery document"),
];

/// A key and its value, as TOML.
type Entry = (String, String);

fn load(document: &str) -> Result<Loaded, ConfigErrors> {
    Config::parse(Path::new("config.toml"), document, [])
}

/// The keys and defaults of the page.
fn documented() -> Vec<Entry> {
    let mut keys = Vec::new();
    for table in tables_of(PAGE, "key") {
        let prefix = if table.heading == CLIENTS { "clients." } else { "" };
        let rows = table.rows.into_iter();
        keys.extend(rows.map(|row| (format!("{prefix}{}", row[0].trim_matches('`')), row[1].clone())));
    }
    keys
}

/// The table that a key is in.
fn table_of(key: &str) -> &str {
    key.rsplit_once('.').unwrap().0
}

/// What must be there for a document with this table to be complete.
fn required(table: &str) -> Vec<Entry> {
    let mut keys = vec![("issuer.url", "https://op.example.com")];
    let tls = ["server.tls", "management.tls"].into_iter().find(|it| *it == table);
    let own: Vec<Entry> = match table {
        "access.jwt" => {
            ["issuer", "audience"].map(|key| (format!("{table}.{key}"), "https://a.example".into())).into()
        }
        "clients" | "clients.token" => {
            keys.push(("clients.client_id", "a"));
            Vec::new()
        }
        _ if tls.is_some() => {
            ["certificate", "key"].map(|key| (format!("{table}.{key}"), "a.pem".into())).into()
        }
        _ => Vec::new(),
    };
    let keys = keys.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).chain(own);
    keys.map(|(key, value)| (key, format!("\"{value}\""))).collect()
}

/// A document of these entries. The keys of `clients` are those of its only client.
fn document(entries: &[Entry]) -> String {
    let mut lines = String::new();
    let mut client = Vec::new();
    for (key, value) in entries {
        match key.strip_prefix("clients.") {
            Some(key) => client.push(format!("{key} = {value}")),
            None => writeln!(lines, "{key} = {value}").unwrap(),
        }
    }
    if !client.is_empty() {
        writeln!(lines, "clients = [{{ {} }}]", client.join(", ")).unwrap();
    }
    lines
}

fn accepted(entries: &[Entry]) -> Loaded {
    let document = document(entries);
    load(&document).unwrap_or_else(|errors| panic!("{document}\n{errors}"))
}

fn refused(entries: &[Entry]) -> String {
    let document = document(entries);
    load(&document).err().unwrap_or_else(|| panic!("it is accepted:\n{document}")).to_string()
}

/// All keys that the program knows in a table and in the tables inside it, as its errors list them.
fn known(table: &str) -> BTreeSet<String> {
    let prefix = if table.is_empty() { String::new() } else { format!("{table}.") };
    let mut entries = required(table);
    entries.push((format!("{prefix}no_such_key"), "1".to_owned()));
    let errors = refused(&entries);
    let list = errors.lines().find_map(|line| {
        let (_, message) = line.split_once("no_such_key: unknown key; ")?;
        message.split_once(" here are ")
    });
    let (_, list) = list.unwrap_or_else(|| panic!("{errors}"));
    let mut keys = BTreeSet::new();
    for key in list.split(", ").map(|key| format!("{prefix}{key}")) {
        let errors =
            load(&document(&[(key.clone(), "true".to_owned())])).err().map(|errors| errors.to_string());
        let is_table = errors.is_some_and(|errors| {
            let last = key.rsplit('.').next().unwrap();
            ["must be a table", "must be a list of tables"]
                .iter()
                .any(|it| errors.contains(&format!("{last}: {it}")))
        });
        if is_table { keys.extend(known(&key)) } else { keys.extend([key]) }
    }
    keys
}

#[test]
fn every_key_is_documented_and_none_else() {
    let documented = documented();
    let keys: BTreeSet<String> = documented.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys.len(), documented.len(), "a key is documented twice");
    assert_same(PAGE, &keys, &known(""));
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let (mut literals, mut missing) = (0, 0);
    for (key, default) in documented() {
        let table = table_of(&key);
        let required = required(table);
        let is_required = required.iter().any(|(it, _)| *it == key);
        let in_words = IN_WORDS.iter().find(|(it, _)| *it == key);
        if let Some((_, words)) = in_words {
            assert_eq!(default, *words, "{key}");
        } else if default == "required" || default == format!("required in `[{table}]`") {
            assert!(is_required, "{key}: the test does not know that it is required");
            let others: Vec<Entry> = required.into_iter().filter(|(it, _)| *it != key).collect();
            assert_eq!(default == "required", matches!(table, "issuer" | "clients"), "{key}");
            let others = if table == "clients" {
                [others, vec![("clients.enabled".to_owned(), "true".to_owned())]].concat()
            } else {
                others
            };
            let name = key.rsplit('.').next().unwrap();
            assert!(refused(&others).contains(&format!("{name}: is required")), "{key}");
        } else if default == "none" {
            assert_is_none(&key, &accepted(&required));
            missing += 1;
        } else {
            let literal = default.trim_matches('`').to_owned();
            let mut base = required.clone();
            if key.ends_with(".client_certificate") {
                base.push((format!("{table}.client_ca"), "\"ca.pem\"".to_owned()));
            }
            let with = [base.clone(), vec![(key.clone(), literal)]].concat();
            assert_eq!(accepted(&with).config, accepted(&base).config, "{key}: its default is not {default}");
            literals += 1;
        }
    }
    assert!(literals > 30 && missing > 5, "{literals} defaults and {missing} keys without one");
}

/// That a key which was not given has no value.
fn assert_is_none(key: &str, loaded: &Loaded) {
    if key.starts_with("issuer.pairwise.salt") {
        assert!(loaded.pairwise_salt.is_none());
        return;
    }
    let shown = format!("{:#?}", loaded.config);
    // The two keys about client certificates are one field.
    let field = match key.rsplit('.').next().unwrap() {
        "client_ca" => "client_auth",
        field => field,
    };
    assert!(shown.contains(&format!(" {field}: None")), "{key}: no such field without a value in\n{shown}");
    assert!(!shown.contains(&format!(" {field}: Some")), "{key}: it has a default in\n{shown}");
}

#[test]
fn the_defaults_in_words_are_the_defaults() {
    let config = accepted(&required("access.jwt")).config;
    assert_eq!(config.issuer.jwks_uri, "https://op.example.com/.well-known/jwks.json");
    for key in ["server.max_connections", "access.jwt.jwks_uri"] {
        assert_is_none(key, &accepted(&required(table_of(key))));
    }
}

#[test]
fn every_variable_is_documented_and_none_else() {
    let tables = tables_of(PAGE, "variable");
    let rows = tables.iter().flat_map(|table| &table.rows);
    let documented = rows.map(|row| row[0].trim_matches('`').to_owned()).collect();
    let mut actual = BTreeSet::new();
    for file in files(&repository().join("src"), "rs") {
        let code = std::fs::read_to_string(&file).unwrap();
        for (at, _) in code.match_indices("LOGOUTD_") {
            let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
            let name = code[at..].split(|c| !is_name(c)).next().unwrap();
            // What overrides a key has its path in the name.
            if name.len() > "LOGOUTD_".len() && !name.contains("__") {
                actual.insert(name.to_owned());
            }
        }
    }
    assert_same(PAGE, &documented, &actual);
}
