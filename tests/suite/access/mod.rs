//! Who is let in, and to what.

mod jwt;
mod limits;
mod reporters;
mod sources;
mod table;
mod tokens;

use std::path::Path;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::support::app::TestApp;
use crate::support::process::logoutd;

/// Runs `logoutd tokens` on the configuration at `config`, and returns what it printed.
fn tokens(config: &Path, arguments: &[&str]) -> String {
    let output = logoutd().arg("tokens").args(arguments).arg("--config").arg(config).output().unwrap();
    let (shown, problem) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {shown}{problem}");
    shown
}

/// An API token that was made from the shell.
pub struct Made {
    id: String,
    pub secret: String,
}

/// Makes one with these scopes.
fn made(config: &Path, scopes: &[&str], more: &[&str]) -> Made {
    made_as(config, "a test's", scopes, more)
}

/// Makes one with this name.
pub fn made_as(config: &Path, name: &str, scopes: &[&str], more: &[&str]) -> Made {
    let arguments = [&["create", "--json", "--name", name, "--scope"], scopes, more].concat();
    let token: Value = serde_json::from_str(&tokens(config, &arguments)).unwrap();
    let text = |name: &str| token[name].as_str().unwrap().to_owned();
    Made { id: text("id"), secret: text("token") }
}

/// A request to either listener.
fn request(app: &TestApp, base: &str, method: &Method, path: &str, token: Option<&str>) -> RequestBuilder {
    let request = app.http.request(method.clone(), format!("{base}{path}"));
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

/// `GET /api/v2/deliveries`, which takes `read:deliveries`.
fn read_deliveries(app: &TestApp, token: &str) -> RequestBuilder {
    request(app, &app.management, &Method::GET, "/api/v2/deliveries", Some(token))
}
