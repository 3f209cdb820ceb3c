//! The configuration through its front door: what is accepted, and the exact words for what is not.

mod environment;
mod problems;
mod samples;
mod secrets;
mod summary;

use std::ffi::OsString;
use std::path::Path;

use logoutd::config::{Config, ConfigErrors, Loaded};

const MINIMAL: &str = "issuer.url = \"https://op.example.com\"\n";

fn load(text: &str, env: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Config::parse(Path::new("config.toml"), text, env)
}

fn accepted(text: &str, env: &[(&str, &str)]) -> Config {
    load(text, env).unwrap_or_else(|errors| panic!("{errors}")).config
}

fn refused(text: &str, env: &[(&str, &str)]) -> String {
    load(text, env).expect_err("it should be refused").to_string()
}

fn in_repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every line of the sample that is a commented-out key or section, uncommented.
fn uncommented(sample: &str) -> String {
    let is_section = |line: &str| {
        let name = line.strip_prefix("# [").and_then(|rest| rest.strip_suffix(']'));
        name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || b"._".contains(&byte)))
    };
    let is_key = |line: &str| {
        line.strip_prefix("# ")
            .and_then(|rest| rest.split_once(" = "))
            .is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
    };
    let uncomment = |line| if is_key(line) || is_section(line) { &line[2..] } else { line };
    sample.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}
