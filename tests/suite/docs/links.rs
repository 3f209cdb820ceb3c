//! Links between the repository's Markdown files, and names of pages in code and messages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{files, repository, text, without_code_blocks};

/// The targets of all links of a page that lead into the repository.
fn relative_links(page: &str) -> Vec<String> {
    let prose = without_code_blocks(page).collect::<Vec<_>>().join("\n");
    // Code spans may contain anything; those around a link's text do not matter.
    let links = prose.match_indices("](").filter_map(|(at, opening)| {
        let target = prose[at + opening.len()..].split(')').next()?;
        (!target.contains("://") && !target.starts_with("mailto:")).then(|| target.to_owned())
    });
    links.collect()
}

/// The anchors that GitHub gives the headings of a page.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::new();
    let headings = without_code_blocks(page).filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().chars();
        let kept = kept.filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    let mut all = BTreeSet::new();
    for anchor in headings.map(anchor) {
        let count = seen.entry(anchor.clone()).and_modify(|count| *count += 1).or_insert(0);
        all.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
    }
    all
}

/// The links of the Markdown files below `root` that lead nowhere, and how many there are in all.
fn broken_links(root: &Path) -> (Vec<String>, usize) {
    let mut broken = Vec::new();
    let mut count = 0;
    for file in files(root, "md") {
        let page = std::fs::read_to_string(&file).unwrap();
        for link in relative_links(&page) {
            count += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
            let is_there = target.exists()
                && (anchor.is_empty()
                    || anchors(&std::fs::read_to_string(&target).unwrap()).contains(anchor));
            if !is_there {
                broken.push(format!("{}: {link}", file.strip_prefix(root).unwrap().display()));
            }
        }
    }
    (broken, count)
}

#[test]
fn every_link_between_pages_resolves() {
    let (broken, count) = broken_links(repository());
    assert!(count > 50, "the test no longer finds the links ({count})");
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn broken_links_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, page: &str| std::fs::write(folder.path().join(name), page).unwrap();
    write(
        "a.md",
        "# An `a` title: 1, 2\n\n# Twice\n\n# Twice\n\n```\n# not a heading [x](nowhere.md)\n```\n",
    );
    write(
        "b.md",
        "[1](a.md) [2](a.md#an-a-title-1-2) [3](a.md#twice-1) [4](https://example.com/x)\n\
         [5](c.md) [6](a.md#not-a-heading) [7](#twice) [on two\nlines](a.md#twice-2)",
    );
    let (broken, count) = broken_links(folder.path());
    assert_eq!(broken, ["b.md: c.md", "b.md: a.md#not-a-heading", "b.md: #twice", "b.md: a.md#twice-2"]);
    assert_eq!(count, 7);
}

#[test]
fn pages_that_code_and_messages_name_exist() {
    let mut count = 0;
    let sources = [files(&repository().join("src"), "rs"), files(&repository().join("tests"), "rs")].concat();
    for file in sources {
        let code = std::fs::read_to_string(&file).unwrap();
        for (at, _) in code.match_indices("docs/") {
            let is_path = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
            let path = code[at..].split(|c| !is_path(c)).next().unwrap();
            let Some(end) = path.find(".md") else { continue };
            count += 1;
            let page = repository().join(&path[..end + ".md".len()]);
            assert!(page.exists(), "{} names {path}", file.display());
        }
    }
    assert!(count >= 3, "the test no longer finds the names ({count})");
}

#[test]
fn the_section_that_the_demo_points_to_exists() {
    let demo: String = files(&repository().join("src/cli/demo"), "rs")
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let (_, rest) = demo.split_once("README.md, \\\"").expect("the demo says where to read on");
    let section = rest.split("\\\"").next().unwrap();
    assert!(text("README.md").contains(&format!("\n## {section}\n")), "{section}");
}
