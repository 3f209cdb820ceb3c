//! The help texts, as a snapshot that people read too: `docs/commands.md`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::support::process::logoutd;

/// Set, it has the test write the page into the repository instead of comparing it.
const UPDATE: &str = "LOGOUTD_UPDATE_COMMANDS";

fn help(command: &[String]) -> String {
    // As wide as without a terminal, whoever runs the tests.
    let output = logoutd().args(command).arg("--help").env_remove("COLUMNS").output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The names under `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let entry = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let lines = list.lines().take_while(|line| !line.is_empty()).filter(entry);
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn append(page: &mut String, command: &[String], seen: &mut BTreeSet<String>) {
    let text = help(command);
    let name = [&["logoutd".to_owned()], command].concat().join(" ");
    writeln!(page, "\n## {name}\n\n```text\n{}\n```", text.trim_end()).unwrap();
    assert!(seen.insert(name), "{command:?} comes twice");
    for subcommand in subcommands(&text) {
        append(page, &[command, &[subcommand]].concat(), seen);
    }
}

#[test]
fn the_page_of_commands_is_what_they_say_themselves() {
    let mut page =
        "# Commands\n\nThe help text of every command. A test generates this page from the program and compares it.\n"
            .to_owned();
    let mut seen = BTreeSet::new();
    append(&mut page, &[], &mut seen);
    for command in ["serve", "demo", "check-config", "keys rotate", "tokens create", "clients test", "verify"]
    {
        assert!(seen.contains(&format!("logoutd {command}")), "{command} is missing from {seen:?}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &page).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(page.lines()).find(|(committed, now)| committed != now);
    assert!(
        committed == page,
        "docs/commands.md is not what the commands say: write it anew with {UPDATE}=1 cargo test --test suite help. \
         The first difference: {differs:?}"
    );
}
