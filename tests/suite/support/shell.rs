//! The commands that speak to a running service, as a person types them.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use super::TOKEN;
use super::app::TestApp;
use super::process::logoutd;

/// A shell with the service's URL and a token in its environment.
pub struct Shell {
    url: String,
    token: String,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Shell {
    pub fn of(app: &TestApp) -> Self {
        Self { url: app.management.clone(), token: TOKEN.to_owned() }
    }

    pub fn with_token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    /// Runs a command.
    pub fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, "")
    }

    /// Runs a command that reads `input`.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut child = logoutd()
            .args(arguments)
            .env("LOGOUTD_URL", &self.url)
            .env("LOGOUTD_TOKEN", &self.token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that does not read has ended before it could be written to.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a command that succeeds, and returns what it printed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        assert_eq!(said.err, "", "{arguments:?}");
        said.out
    }

    /// Runs a command that succeeds with `--json`.
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Runs a command that ends with `code`, and returns what it complained of.
    pub fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, code, "{arguments:?}: {said:?}");
        said.err
    }
}
