//! A service that can be started: a folder, and the configuration in it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use logoutd::domain::algorithm::SigningAlg;
use tempfile::TempDir;

/// A client of the service.
#[derive(Clone, Debug)]
pub struct Party {
    pub client_id: String,
    /// Without one it is registered, and told nothing.
    pub uri: Option<String>,
    pub alg: SigningAlg,
}

impl Party {
    pub fn new(client_id: &str, uri: Option<String>) -> Self {
        Self { client_id: client_id.to_owned(), uri, alg: SigningAlg::Es256 }
    }
}

/// A service that can be started, again and again, on the same store.
pub struct Setup {
    folder: TempDir,
}

impl Setup {
    /// In a new folder inside this one, with these keys. All that is not said here is left at its default.
    pub fn new(within: &Path, keys: &Path, per_client: u32, parties: &[Party]) -> anyhow::Result<Self> {
        let folder = TempDir::new_in(within).context("no folder for a store")?;
        let setup = Self { folder };
        let (store, keys) = (setup.store(), keys);
        let mut text = format!(
            r#"
[issuer]
url = "https://op.example.com"
[store]
url = "sqlite://{store}"
[keys]
directory = "{keys}"
algorithms = ["RS256", "ES256", "EdDSA"]
[delivery]
max_concurrency_per_client = {per_client}
[egress]
allow_http = true
allow_networks = ["127.0.0.0/8"]
[access]
rate_limit = "off"
[log]
level = "warn"
"#,
            store = store.display(),
            keys = keys.display(),
        );
        for party in parties {
            writeln!(
                text,
                "[[clients]]\nclient_id = \"{}\"\nid_token_signed_response_alg = \"{}\"",
                party.client_id, party.alg
            )?;
            if let Some(uri) = &party.uri {
                writeln!(text, "backchannel_logout_uri = \"{uri}\"")?;
            }
        }
        std::fs::write(setup.config(), text)?;
        Ok(setup)
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log.jsonl")
    }
}
