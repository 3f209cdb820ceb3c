//! The guides name files and folders that are there.

use super::{repository, text};

/// The first parts of paths in the repository that the guides name.
const TOP: [&str; 6] = ["src/", "tests/", "docs/", "keys/", "fixtures/", ".ci/"];

#[test]
fn paths_in_the_guides_exist() {
    for guide in ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/testing.md"] {
        let text = text(guide);
        let paths = paths(&text);
        assert!(!paths.is_empty(), "the test no longer finds the paths of {guide}");
        for path in paths {
            assert!(repository().join(path).exists(), "{guide} names {path}, which is not there");
        }
    }
}

#[test]
fn every_recipe_names_files() {
    let text = text("CONTRIBUTING.md");
    let (_, recipes) = text.split_once("\n## Recipes\n").unwrap();
    let recipes: Vec<_> = recipes.split("\n### ").skip(1).collect();
    assert_eq!(
        recipes.len(),
        7,
        "route, client setting, command, event source, storage backend, metric, migration"
    );
    for recipe in recipes {
        let name = recipe.lines().next().unwrap();
        assert!(paths(recipe).len() >= 3, "{name}: its files");
    }
}

/// What stands in backticks and begins like a path of the repository. A command's first word, or its only one, counts.
fn paths(text: &str) -> Vec<&str> {
    let spans = text.split('`').skip(1).step_by(2);
    let words = spans.map(|span| span.split_whitespace().next().unwrap_or_default());
    words.filter(|word| TOP.iter().any(|top| word.starts_with(top))).collect()
}
